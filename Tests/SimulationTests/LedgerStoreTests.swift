import EtcdGateway
import LedgerCore
import LedgerStore
import Testing

/// What the answers of the store mean: every request, failing before and after it was done.
@Suite("The ledger\'s store")
struct LedgerStoreTests {
    private static let timeout = Duration.milliseconds(100)
    private static let hint = SealerHint(address: "127.0.0.1:1", id: "one")

    private var writer = LedgerWriter()
    private let failing: FailingStore
    private let members: EtcdMembers
    private let ledger: LedgerStore

    init() {
        failing = FailingStore(writer.store)
        members = EtcdMembers(endpoints: [SimulatedEtcd.endpoint])
        ledger = LedgerStore(store: failing, keys: writer.ledger.keys, members: members)
    }

    private static func error(
        _ failureClass: EtcdFailureClass, _ code: EtcdErrorCode = .unavailable
    ) -> EtcdError {
        EtcdError(failureClass: failureClass, code: code, message: "a fault")
    }

    private mutating func proposal() throws -> (Proposal, SealingTransaction) {
        let proposal = try writer.propose(["a", "b"])
        return (proposal, ledger.transactions.encode(proposal))
    }

    // MARK: Sealing

    @Test("a transaction is sealed once, and sent again shows what was sealed")
    mutating func seal() async throws {
        let (proposal, transaction) = try proposal()
        #expect(transaction.proposal == proposal.id)
        let first = await ledger.seal(transaction)
        guard case .applied(let revision) = first.result else {
            Issue.record("\(first.result)")
            return
        }
        #expect(first.member?.id == 1)
        #expect(first.hint == nil)
        _ = await ledger.takeHint(
            Self.hint, lifetime: .milliseconds(3_000), hintRevision: 0, counter: nil,
            timeout: Self.timeout)
        let second = await ledger.seal(transaction)
        guard case .superseded(let observation) = second.result else {
            Issue.record("\(second.result)")
            return
        }
        #expect(observation.revision == revision)
        #expect(observation.head == proposal.head)
        #expect(second.hint?.hint == Self.hint)
        #expect(second.error == nil)
    }

    @Test("a newer format ends sealing")
    mutating func newerFormat() async throws {
        let (_, transaction) = try proposal()
        writer.store.put(ledger.keys.format, Array("9".utf8))
        guard case .unknownFormat("9") = await ledger.seal(transaction).result else {
            Issue.record("not told of the format")
            return
        }
    }

    @Test(
        "what is known of a transmission is what its failure tells, applied or not",
        arguments: [
            (EtcdFailureClass.notSent, EtcdErrorCode.connect, "refused"),
            (.rejected, .permissionDenied, "refused"),
            (.unknown, .noSpace, "noSpace"),
            (.unknown, .timeout, "unknown"),
            (.corrupt, .malformedAnswer, "unknown"),
        ])
    mutating func failedSeal(
        _ failureClass: EtcdFailureClass, _ code: EtcdErrorCode, _ expected: String
    ) async throws {
        let error = Self.error(failureClass, code)
        for fault in [FailingStore.Fault.before(error), .after(error)] {
            let (_, transaction) = try proposal()
            failing.fail(fault)
            let transmitted = await ledger.seal(transaction)
            #expect("\(transmitted.result)" == expected)
            #expect(transmitted.error?.code == code)
            #expect(transmitted.member == nil)
        }
    }

    @Test("protocol.md 15: a member that keeps a transmission is avoided until it answers")
    mutating func avoided() async throws {
        let (_, transaction) = try proposal()
        failing.fail(.after(Self.error(.unknown, .timeout)))
        _ = await ledger.seal(transaction)
        _ = await ledger.keepAlive(1, timeout: Self.timeout)
        _ = try await ledger.observe(timeout: Self.timeout)
        _ = await ledger.seal(transaction)
        #expect(
            failing.options.map { $0.avoiding.isEmpty } == [true, false, false, true])
        #expect(failing.options.map(\.timeout) == [nil, Self.timeout, Self.timeout, nil])
    }

    @Test(
        "protocol.md 15: a member\'s own copy does not show that it works together with the others")
    mutating func copyDoesNotSettle() async throws {
        let (_, transaction) = try proposal()
        failing.fail(.after(Self.error(.unknown, .timeout)))
        _ = await ledger.seal(transaction)
        _ = await ledger.observeCopies(timeout: Self.timeout)
        _ = await ledger.keepAlive(1, timeout: Self.timeout)
        #expect(failing.options.last?.avoiding == [SimulatedEtcd.endpoint])
    }

    // MARK: Reading without a quorum

    @Test("of the members\' copies the one that is furthest ahead is read, and on from that member")
    mutating func copies() async throws {
        let endpoints = (1...3).map { EtcdEndpoint(scheme: .http, host: "etcd", port: $0) }
        var copies: [EtcdEndpoint: SimulatedEtcd] = [:]
        for endpoint in endpoints {
            try writer.seal(["\(endpoint.port)"])
            copies[endpoint] = SimulatedEtcd()
            copies[endpoint]?.snapshot = writer.store.snapshot
        }
        let failing = FailingStore(SimulatedEtcd(), copies: copies)
        let ledger = LedgerStore(
            store: failing, keys: writer.ledger.keys, members: EtcdMembers(endpoints: endpoints))
        failing.fail(.none, .none, .before(Self.error(.unknown)))
        let best = try #require(await ledger.observeCopies(timeout: Self.timeout))
        #expect(best.observation.head.sequence == 2)
        #expect(failing.options.map(\.only) == endpoints)
        _ = try await ledger.copy(of: best.member).block(first: 1)
        #expect(failing.options.last?.only == SimulatedEtcd.endpoint)
    }

    // MARK: The hint

    private func take(
        _ revision: Int64 = 0, counter: Revision? = nil
    ) async -> LedgerStore.HintTaking {
        await ledger.takeHint(
            Self.hint, lifetime: .milliseconds(3_500), hintRevision: revision, counter: counter,
            timeout: Self.timeout)
    }

    @Test("the hint is taken under a lease, kept alive and given back")
    func takeHint() async throws {
        let taking = await take()
        guard case .taken(let lease, let reading) = taking.result else {
            Issue.record("\(taking)")
            return
        }
        #expect(reading.hint == Self.hint)
        #expect(reading.lease == lease)
        #expect(taking.observation == .empty)
        #expect(taking.unusedLease == nil)
        #expect(try await ledger.observe().hint?.hint == Self.hint)
        writer.store.endLeases(at: 2_000_000_000)
        #expect(await ledger.keepAlive(lease, timeout: Self.timeout) == .renewed)
        writer.store.endLeases(at: 4_000_000_000)
        #expect(try await ledger.observe().hint?.hint == Self.hint)
        try await ledger.giveBack(lease, timeout: Self.timeout)
        #expect(try await ledger.observe().hint?.isFree == true)
        #expect(await ledger.keepAlive(lease, timeout: Self.timeout) == .expired)
    }

    @Test("a hint is handed over under its lease, which lives on, and only by who still has it")
    func handOver() async throws {
        guard case .taken(let lease, let own) = await take().result else {
            Issue.record("not taken")
            return
        }
        let successor = SealerHint(address: "other:50052", id: "two")
        let third = SealerHint(address: "third:50052", id: "three")
        #expect(
            try await ledger.handOver(
                lease, hintRevision: own.revision, to: successor, timeout: Self.timeout))
        let reading = try #require(try await ledger.observe().hint)
        #expect(reading.hint == successor)
        #expect(reading.lease == lease)
        // Who has handed it over, or was deposed, changes nothing.
        #expect(
            try await !ledger.handOver(
                lease, hintRevision: own.revision, to: third, timeout: Self.timeout))
        #expect(try await ledger.observe().hint?.hint == successor)
        #expect(await ledger.keepAlive(lease, timeout: Self.timeout) == .renewed)
        failing.fail(.after(Self.error(.unknown, .timeout)))
        await #expect(throws: EtcdError.self) {
            try await ledger.handOver(
                lease, hintRevision: reading.revision, to: third, timeout: Self.timeout)
        }
    }

    @Test("a hint or a counter that has moved shows the winner, and a lease to give back")
    mutating func lostHint() async throws {
        try writer.seal(["a"])
        let revision = try await ledger.observe().observation.revision
        #expect(await take().unusedLease == nil)
        for taking in [
            await take(), await take(3, counter: Revision(rawValue: revision.rawValue - 1)),
        ] {
            guard case .lost(let reading, let counter) = taking.result else {
                Issue.record("\(taking)")
                continue
            }
            #expect(reading.hint == Self.hint)
            #expect(counter == revision)
            #expect(taking.observation?.revision == revision)
            #expect(taking.unusedLease.map { writer.store.hasLease($0) } == true)
        }
    }

    @Test("nothing is known of a hint whose lease or transaction was not answered")
    func unknownHint() async throws {
        let error = Self.error(.unknown, .timeout)
        for fault in [FailingStore.Fault.before(error), .after(error)] {
            failing.fail(fault)
            let leaseless = await take()
            guard case .unknown = leaseless.result, case .lease = leaseless.failure else {
                Issue.record("\(leaseless)")
                return
            }
            failing.fail(.none, fault)
            let untold = await take()
            guard case .unknown = untold.result, case .transaction = untold.failure else {
                Issue.record("\(untold)")
                return
            }
            failing.fail(fault)
            #expect(await ledger.keepAlive(1, timeout: Self.timeout) == .unknown)
            failing.fail(fault)
            await #expect(throws: EtcdError.self) {
                try await ledger.giveBack(7, timeout: Self.timeout)
            }
        }
    }
}
