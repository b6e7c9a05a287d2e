import EtcdGateway
import LedgerCore
import LedgerStore
import LedgerTransparency

/// The audit's machine on a simulated store, in virtual time: what the machine asks for is read at once, and where it
/// waits the time comes.
struct AuditWorld {
    /// Events that were verified with what was handed over at a time.
    struct Batch {
        let at: MonotonicInstant
        let events: UInt64
    }

    var writer = LedgerWriter()
    private(set) var machine: AuditMachine
    private(set) var now = MonotonicInstant(nanoseconds: 0)
    private(set) var news: [AuditNews] = []
    private(set) var batches: [Batch] = []
    private(set) var waits: [Nanoseconds] = []
    let failing: FailingStore
    private let ledger: LedgerStore
    private let reader: StatementReader
    private var feed: (run: AuditRun, reads: VerifierFeed)?
    /// The newest head that whoever asks knows by itself.
    var known: Head?
    /// How long it takes to read each block, in their order.
    var readTakes: (Int) -> Nanoseconds = { _ in .zero }
    private var reads = 0
    /// Called with every action, before it is performed: for changing the store.
    var onAction: (inout AuditWorld, AuditMachine.Action) throws -> Void = { _, _ in }

    init(
        eventsPerSecond: Int = 2_000, interval: Nanoseconds = .milliseconds(60_000),
        trust: CheckpointTrust = CheckpointTrust(origin: "o", verifiers: [])
    ) {
        machine = AuditMachine(
            AuditSettings(eventsPerSecond: eventsPerSecond, interval: interval))
        failing = FailingStore(writer.store)
        ledger = LedgerStore(store: failing, keys: writer.ledger.keys)
        reader = StatementReader(ledger, trust: trust)
    }

    var report: AuditReport { machine.report }
    var keys: LedgerKeys { writer.ledger.keys }

    /// How many events were looked at, in all passes.
    var eventsLookedAt: UInt64 { batches.reduce(0) { $0 + $1.events } }

    var passesEnded: Int {
        news.count { if case .passEnded = $0 { true } else { false } }
    }

    /// Whether the pass that ended last found nothing.
    var lastPassIsClean: Bool {
        for case .passEnded(_, _, _, let isClean) in news.reversed() { return isClean }
        return false
    }

    var found: [VerificationFinding] {
        news.compactMap { if case .found(let finding, _) = $0 { finding } else { nil } }
    }

    /// Goes on until something holds; fails after so many actions.
    mutating func run(
        until isOver: (AuditWorld) -> Bool, within limit: Int = 20_000
    ) async throws {
        var actions = 0
        while !isOver(self) {
            actions += 1
            guard actions < limit else { throw TooLong(report: report) }
            try await step()
        }
    }

    struct TooLong: Error {
        let report: AuditReport
    }

    /// Goes on for so long.
    mutating func run(for length: Nanoseconds) async throws {
        let end = now + length
        try await run(until: { $0.now >= end })
    }

    private mutating func step() async throws {
        let action = machine.next(at: now)
        try onAction(&self, action)
        do throws(LedgerStoreError) {
            try await perform(action)
        } catch {
            if case .inconsistent(let reason) = error.code {
                machine.contradicted(reason, at: now)
            } else {
                machine.failed(at: now)
            }
        }
        news += machine.takeNews()
    }

    private mutating func perform(
        _ action: AuditMachine.Action
    ) async throws(LedgerStoreError) {
        switch action {
        case .wait(let until):
            precondition(until > now, "a wait for what has come")
            waits.append(until - now)
            now = until
        case .look:
            let newest =
                [machine.verifiedHead, known].compactMap { $0 }
                .max { $0.sequence < $1.sequence }
            machine.looked(try await reader.read(known: newest), at: now)
        case .restore(let size):
            machine.restored(try await LedgerLoader(ledger).base(size: size), at: now)
        case .read(let need, let run, let head):
            if feed?.run != run { feed = (run, VerifierFeed(ledger, through: head)) }
            feed?.reads.extend(through: head)
            let answer: VerifierAnswer
            do {
                guard let read = try await feed?.reads.read(need) else { return }
                answer = read
            } catch let error as LedgerStoreError {
                throw error
            } catch {
                preconditionFailure("\(error)")
            }
            var work = Nanoseconds.zero
            if case .block = need {
                work = readTakes(reads)
                reads += 1
            }
            now = now + work
            let before = machine.report.position
            machine.took(answer, at: now)
            machine.worked(for: work)
            batches.append(Batch(at: now, events: before.distance(to: machine.report.position)))
        }
    }

    /// Writes a stored value anew, as somebody with access to etcd could.
    func change(_ key: [UInt8], _ change: (inout [UInt8]) -> Void) {
        var value = writer.store.snapshot.keys[key]?.value ?? []
        change(&value)
        writer.store.put(key, value)
    }

    func delete(_ key: [UInt8]) {
        _ = writer.store.apply(EtcdTransaction(success: [.delete(key: key)]))
    }
}
