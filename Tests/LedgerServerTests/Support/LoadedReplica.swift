import LedgerCore
import LedgerStore
import Logging

@testable import LedgerReplica
@testable import LedgerServer

/// A replica of a ledger of so many events in one block, which a test gives it; its store never answers.
struct LoadedReplica {
    let replica: Replica
    let blocks: BlockReader
    /// The ledger as it was read.
    let state: LedgerState
    /// Each event's hash, in order.
    let hashes: [EventHash]

    /// - Parameters:
    ///   - identity: where others would reach the replica; nil where it seals for itself alone.
    ///   - links: leads to the replica that seals.
    init(
        events count: Int, identity: SealerHint? = nil, links: any ReplicaLinks = NoLinks()
    ) throws {
        let submissions = try (1...count).map { try Self.submission(UInt64($0)) }
        var state = LedgerState(indexSeed: 7)
        let plan = BatchPlan(
            id: 1, submissions: submissions, base: BatchBase(state),
            sealedTimestamp: 1_700_000_000_000, plannedAt: Self.start)
        let proposal = Proposal(plan)
        state.adopt(proposal, revision: Revision(rawValue: 2))
        hashes = proposal.records.map(\.seal.eventHash)
        let newest = NewestBlocks(maxBytes: 1 << 20)
        newest.keep(first: proposal.first, bytes: proposal.block, events: count)
        let store = LedgerStore(store: StoreWithoutAnswer(), keys: LedgerKeys(prefix: "ledger/"))
        blocks = BlockReader(store: store, cacheBytes: 1 << 20, newest: newest)
        replica = Replica(
            settings: ReplicaSettings(identity: identity),
            environment: ReplicaEnvironment(
                clock: ImpatientClock(), timers: SilentTimers(), store: store, blocks: blocks,
                links: links, observer: NoObserver(), logger: Logger(label: "test"),
                random: { 7 }, checkMembers: { true }))
        self.state = state
    }

    /// The ledger is read.
    func load() { replica.send(.loaded(state)) }

    private static let start = MonotonicInstant(nanoseconds: 7_000_000_000)

    /// - Parameter stream: nil for an event that is submitted alone.
    static func submission(_ number: UInt64, of stream: StreamID? = nil) throws -> Submission {
        let event = try CertifiedEvent(
            eventID: Array("event \(number)".utf8), payload: [], vepsSignature: [],
            vepsTimestamp: 0, metadata: [], submitter: [], limits: EventLimits())
        return Submission(
            token: SubmissionToken(rawValue: number), stream: stream, event: event,
            template: EntryTemplate(event), receivedAt: start, callerDeadline: nil,
            settings: SealingSettings(), caller: NobodyWaits())
    }
}

/// A caller that looks at no answer.
final class NobodyWaits: SubmissionCaller {
    func settle(_ answers: [SubmissionAnswer]) {}
}

/// A clock that stands, on which every wait is over at once.
private struct ImpatientClock: ReplicaClock {
    let now = MonotonicInstant(nanoseconds: 7_000_000_000)

    var moment: Moment { Moment(now: now, wall: .trusted(milliseconds: 1_700_000_000_000)) }

    func sleep(for length: Nanoseconds) async throws {}

    func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
}

/// Timers that never ring.
private struct SilentTimers: ReplicaTimers {
    private struct Timer: ReplicaTimer {
        func cancel() {}
    }

    func schedule(
        after length: Nanoseconds, _ ring: @escaping @Sendable () -> Void
    ) -> any ReplicaTimer { Timer() }
}

/// No other replica can be reached.
private struct NoLinks: ReplicaLinks {
    private struct Link: ReplicaLink {
        func run(_ handle: @escaping @Sendable (LinkEvent) -> Void) async { handle(.down("")) }
        func send(_ submissions: [Submission]) {}
        func recall(_ tokens: [SubmissionToken]) {}
        func close() {}
    }

    func link(
        to hint: SealerHint, known: LedgerObservation?, clusterID: UInt64
    ) -> any ReplicaLink { Link() }
}

private struct NoObserver: ReplicaObserver {
    func changed(_ condition: ReplicaCondition) {}
    func reported(_ report: ReplicaReport, part: String) {}
    func sealing(_ plan: BatchPlan) {}
    func applied(after length: Nanoseconds) {}
    func forwarding(events: Int) {}
    func gaveHintBack() {}
}
