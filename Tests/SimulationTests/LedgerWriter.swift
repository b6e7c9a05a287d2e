import EtcdGateway
import LedgerCore
import LedgerStore

/// Seals batches straight into a simulated store, for tests of what is read back.
struct LedgerWriter {
    let store = SimulatedEtcd()
    let ledger: LedgerStore
    private var state = LedgerState(indexSeed: 7)
    private var nextToken: UInt64 = 1

    init() {
        ledger = LedgerStore(store: store, keys: LedgerKeys(prefix: "ledger/"))
    }

    /// What this writer knows after its last batch.
    var known: LedgerState { state }

    /// Seals events in one transaction; false when the comparison failed.
    @discardableResult
    mutating func seal(_ ids: [String]) throws -> Bool {
        seal(try propose(ids))
    }

    /// Seals a batch that was built on what this writer knows.
    @discardableResult
    mutating func seal(_ proposal: Proposal) -> Bool {
        let response = store.apply(ledger.transactions.sealing(proposal))
        guard case .applied(let revision) = ledger.transactions.result(of: response) else {
            return false
        }
        state.adopt(proposal, revision: revision)
        return true
    }

    /// Reads the ledger as it is now.
    mutating func reload() async throws {
        let observation = try await ledger.observe().observation
        state = try await LedgerLoader(ledger).load(upTo: observation, indexSeed: 7)
    }

    /// Seals numbered events until the ledger has so many, in blocks of the given sizes in turn.
    mutating func fill(to count: UInt64, blocks sizes: [Int]) throws {
        var round = 0
        while state.head.sequence.rawValue < count {
            let size = min(sizes[round % sizes.count], Int(count - state.head.sequence.rawValue))
            let first = state.head.sequence.rawValue + 1
            try seal((first..<first + UInt64(size)).map { "event-\($0)" })
            round += 1
        }
    }

    /// The batch that would be sealed next.
    mutating func propose(_ ids: [String]) throws -> Proposal {
        let settings = SealingSettings()
        let moment = MonotonicInstant(nanoseconds: 0)
        var submissions: [Submission] = []
        for id in ids {
            let event = try CertifiedEvent(
                eventID: Array(id.utf8), payload: [], vepsSignature: [], vepsTimestamp: 0,
                metadata: [], submitter: [], limits: EventLimits())
            submissions.append(
                Submission(
                    token: SubmissionToken(rawValue: nextToken), stream: nil, event: event,
                    template: EntryTemplate(event), receivedAt: moment, callerDeadline: nil,
                    settings: settings, caller: Nobody()))
            nextToken += 1
        }
        return Proposal(
            BatchPlan(
                id: nextToken, submissions: submissions, base: BatchBase(state),
                sealedTimestamp: 1_700_000_000_000, plannedAt: moment))
    }
}

/// Does not wait for anything.
private final class Nobody: SubmissionCaller {
    func settle(_ answers: [SubmissionAnswer]) {}
}
