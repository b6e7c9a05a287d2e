import EtcdGateway
import LedgerCore
import LedgerStore

/// The store as one life of a replica reaches it: questions and answers take time, and get lost.
///
/// What was asked is done even where the replica has ended by then.
///
/// `@unchecked Sendable`: as the timeline of its life.
final class SimulatedStore: EtcdAccess, @unchecked Sendable {
    /// What is asked of the store.
    enum Operation: CaseIterable {
        case seal, observe, range, event, takeHint, grant, renew, revoke

        var faults: [Fault] {
            switch self {
            case .seal: Fault.allCases
            case .observe, .range, .event: [.none, .lostBefore, .damaged]
            case .takeHint: [.none, .lostBefore, .lostAfter, .appliedLate, .duplicated, .damaged]
            case .grant, .renew, .revoke: [.none, .lostBefore, .lostAfter]
            }
        }
    }

    /// What can become of one request.
    enum Fault: CaseIterable {
        case none
        case notSent
        case lostBefore
        case lostAfter
        /// Not answered, and applied long after everybody has given up.
        case appliedLate
        /// Applied twice; the second answer arrives, in which a comparison may have failed.
        case duplicated
        case noSpaceApplied
        case noSpaceNotApplied
        case refused
        case damaged
    }

    private typealias Outcome<Answer> = Result<Answer, EtcdError>

    /// A caller who believes what is damaged three times would be right to: so that does not happen in one life.
    private static let mostDamaged = 2
    private static let endpoints = (1...3).map {
        EtcdEndpoint(scheme: .https, host: "etcd-\($0)", port: 2379)
    }

    private unowned let replica: SimulatedReplica
    private let life: Life
    private var damaged = 0
    /// The sealing transactions of this life in the order in which they were sent first.
    private var sealing: [(operations: [EtcdOperation], ids: Set<EventID>)] = []
    /// What is on its way to the store and may seal.
    private var onTheWay: [Int: (number: Int, transaction: EtcdTransaction)] = [:]
    private var transmissions = 0
    /// Reads of sealed events that are under way.
    var reads = 0

    init(of replica: SimulatedReplica, _ life: Life) {
        self.replica = replica
        self.life = life
    }

    private var world: World { replica.world }

    /// The ledger behind it.
    func ledger(_ keys: LedgerKeys) -> LedgerStore {
        let life = self.life
        return LedgerStore(
            store: self, keys: keys,
            members: EtcdMembers(endpoints: Self.endpoints) { life.now })
    }

    func ask(
        _ question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdAnswer {
        let operation: Operation
        var sealing: (number: Int, transaction: EtcdTransaction)?
        switch question {
        case .range: operation = .range
        case .transaction(let transaction):
            operation = transaction.compares.isEmpty ? .observe : .takeHint
        case .sealing(let transaction):
            operation = .seal
            sealing = (note(transaction), transaction)
        case .grant: operation = .grant
        case .renew: operation = .renew
        case .revoke: operation = .revoke
        }
        let number = sealing?.number
        let isRead = [.range, .observe, .takeHint].contains(operation)
        let damage: ((EtcdAnswer) -> EtcdAnswer)? = isRead ? { Self.damage($0) } : nil
        let perform: (SimulatedEtcd) -> Outcome<EtcdAnswer> = { [self] etcd in
            let outcome = etcd.answer(question)
            if let number, number < self.sealing.count - 1,
                case .success(.transaction(let response)) = outcome, response.succeeded
            {
                world.broken("\(life.name)'s transaction was applied after a newer one was sent")
            }
            return outcome
        }
        return try await ask(operation, options, damage, sealing: sealing, perform)
    }

    // MARK: Asking

    /// Asks the store something, which may go wrong in every way that there is for that.
    func ask<Answer: Sendable>(
        _ operation: Operation, _ options: EtcdRequestOptions = .init(),
        _ damage: ((Answer) -> Answer)? = nil, sealing: (Int, EtcdTransaction)? = nil,
        _ question: @escaping (SimulatedEtcd) -> Result<Answer, EtcdError>
    ) async throws(EtcdError) -> Answer {
        let outcome: Outcome<Answer>? = await life.wait { done in
            begin(operation, options, damage, sealing, question, done)
        }
        guard let outcome else { throw Self.error(.unknown, .cancelled) }
        return try outcome.get()
    }

    private func begin<Answer>(
        _ operation: Operation, _ options: EtcdRequestOptions,
        _ damage: ((Answer) -> Answer)?, _ sealing: (Int, EtcdTransaction)?,
        _ question: @escaping (SimulatedEtcd) -> Outcome<Answer>,
        _ done: @escaping (Outcome<Answer>) -> Void
    ) {
        let others = Self.endpoints.filter { !options.avoiding.contains($0) }
        options.onAttempt?(options.only ?? others.first ?? Self.endpoints[0])
        let there = world.delay(300_000, 3_000_000)
        let back = world.delay(100_000, 2_000_000)
        let timeout =
            options.timeout.map { Int64($0 / .nanoseconds(1)) } ?? world.settings.requestTimeout
        let (time, life) = (world.time, life)

        /// Performs the question, and answers where anybody is to hear of it.
        func perform(
            after delay: Int64, answering answer: ((Outcome<Answer>) -> Outcome<Answer>)? = nil
        ) {
            transmissions += 1
            let number = transmissions
            onTheWay[number] = sealing
            time.schedule(after: delay) { [self] in
                onTheWay[number] = nil
                if replica.isCutOff(life) { return }
                world.store.endLeases(at: time.now)
                let outcome = question(world.store)
                if let answer { end(answer(outcome), after: back) }
            }
        }
        func end(_ outcome: Outcome<Answer>, after delay: Int64) {
            time.schedule(after: delay) { [self] in
                if !replica.isCutOff(life) { life.perform { done(outcome) } }
            }
        }
        life.perform(after: timeout) { done(.failure(Self.error(.unknown, .timeout))) }
        switch chooseFault(of: operation) {
        case .none: perform(after: there) { $0 }
        case .notSent: end(.failure(Self.error(.notSent, .connect)), after: back)
        case .refused: end(.failure(Self.error(.rejected, .unauthenticated)), after: back)
        case .lostBefore: break
        case .lostAfter: perform(after: there)
        case .appliedLate: perform(after: world.delay(timeout / 4, timeout * 3))
        case .duplicated:
            perform(after: there)
            perform(after: there + back) { $0 }
        case .noSpaceApplied:
            perform(after: there) { _ in .failure(Self.error(.unknown, .noSpace)) }
        case .noSpaceNotApplied:
            end(.failure(Self.error(.unknown, .noSpace)), after: there + back)
        case .damaged:
            damaged += damage == nil ? 0 : 1
            let damage = damaged <= Self.mostDamaged ? damage : nil
            perform(after: there) { outcome in
                damage.map { outcome.map($0) }
                    ?? .failure(Self.error(.corrupt, .malformedAnswer))
            }
        }
    }

    private func chooseFault(of operation: Operation) -> Fault {
        world.requests[operation, default: 0] += 1
        if let planned = world.settings.fault {
            let isIt = (operation, world.requests[operation]) == (planned.operation, planned.place)
            return isIt ? planned.fault : .none
        }
        let odds =
            switch operation {
            case .seal, .observe, .range, .event: world.settings.oddsAgainstFaults
            case .takeHint, .grant, .renew, .revoke: world.settings.oddsAgainstElectionFaults
            }
        let faults = operation.faults
        return faults[world.chooser.choose(faults.count, oddsAgainst: odds)]
    }

    private static func error(
        _ failureClass: EtcdFailureClass, _ code: EtcdErrorCode
    ) -> EtcdError {
        EtcdError(failureClass: failureClass, code: code, message: "simulated")
    }

    // MARK: Damage

    /// The last byte of every longer value is missing: of heads, blocks, segments and tiles. A format that is not known
    /// is believed at once.
    private static func damage(_ answer: EtcdAnswer) -> EtcdAnswer {
        switch answer {
        case .range(let response): return .range(damage(range: response))
        case .transaction(var response):
            response.responses = response.responses.map {
                if case .range(let range) = $0 { .range(damage(range: range)) } else { $0 }
            }
            return .transaction(response)
        case .lease, .renewed, .revoked: return answer
        }
    }

    private static func damage(range response: EtcdRangeResponse) -> EtcdRangeResponse {
        var response = response
        for place in response.kvs.indices where response.kvs[place].value.count > 8 {
            _ = response.kvs[place].value.popLast()
        }
        return response
    }

    // MARK: What is sealed

    /// The number of a sealing transaction among those of this life.
    ///
    /// Nobody who was answered, or has called an event off, finds it in a new one (protocol.md 6).
    private func note(_ transaction: EtcdTransaction) -> Int {
        let operations = transaction.success
        if let number = sealing.lastIndex(where: { $0.operations == operations }) { return number }
        var ids: Set<EventID> = []
        for case .put(let key, let value, _) in operations {
            guard let first = world.ledger.keys.blockNumber(key),
                let block = try? Block.decodeChain(value, first: first)
            else { continue }
            for link in block {
                let event = Entry(link.entry).event
                replica.checkWaiting(for: event, life)
                ids.insert(event.eventID)
            }
        }
        sealing.append((operations, ids))
        return sealing.count - 1
    }

    /// Whether a transaction that is on its way will seal an event of this id, if nobody is faster.
    func mayStillSeal(_ id: EventID) -> Bool {
        onTheWay.values.contains {
            sealing[$0.number].ids.contains(id) && world.store.holds($0.transaction)
        }
    }
}
