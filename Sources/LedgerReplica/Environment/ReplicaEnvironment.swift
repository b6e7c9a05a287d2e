package import LedgerCore
package import LedgerStore
package import Logging

/// All that a replica's driver needs of the world around it. The service gives it the real one, the simulation one in
/// virtual time: the driver is the same.
package struct ReplicaEnvironment: Sendable {
    package var clock: any ReplicaClock
    package var timers: any ReplicaTimers
    package var store: LedgerStore
    package var blocks: any SealedBlocks
    package var links: any ReplicaLinks
    package var observer: any ReplicaObserver
    package var logger: Logger
    /// Random numbers: of the id index, whose keys nobody must foresee, and of back-offs.
    package var random: @Sendable () -> UInt64
    package var executors: Executors
    /// Asks etcd's members how they are, and reports it with `membersChecked` before it returns: before the ledger is
    /// loaded, and while etcd has no space. False while a member runs a release that can lose committed transactions.
    package var checkMembers: @Sendable () async -> Bool
    /// Compares a ledger that was read with the key `fence` and with what is known of it outside, before anything is
    /// sealed on it. What it returns fences; what it throws has the ledger read again.
    package var checkPast: PastCheck
    package typealias PastCheck =
        @Sendable (LedgerState, LedgerStore.StoredFence?) async throws(LedgerStoreError) ->
        LedgerInconsistency?

    /// On which threads a replica works; where nothing is named, on those of whoever runs it.
    package struct Executors: Sendable {
        /// For what keeps a processor busy for a moment only: where its callers are served, so that an event changes
        /// threads no more often than it must.
        package var brief: (any TaskExecutor)?
        /// For what takes longer.
        package var long: (any TaskExecutor)?

        package init(brief: (any TaskExecutor)? = nil, long: (any TaskExecutor)? = nil) {
            self.brief = brief
            self.long = long
        }
    }

    package init(
        clock: any ReplicaClock, timers: any ReplicaTimers, store: LedgerStore,
        blocks: any SealedBlocks, links: any ReplicaLinks, observer: any ReplicaObserver,
        logger: Logger, random: @escaping @Sendable () -> UInt64,
        executors: Executors = Executors(),
        checkMembers: @escaping @Sendable () async -> Bool,
        checkPast: @escaping PastCheck = { _, _ in nil }
    ) {
        self.clock = clock
        self.timers = timers
        self.store = store
        self.blocks = blocks
        self.links = links
        self.observer = observer
        self.logger = logger
        self.random = random
        self.executors = executors
        self.checkMembers = checkMembers
        self.checkPast = checkPast
    }
}

/// The clocks of a machine.
package protocol ReplicaClock: Sendable {
    /// Time since some origin; never set by anybody.
    var now: MonotonicInstant { get }
    /// Now, with the wall clock's reading if it agrees with most of etcd's members (protocol.md 22).
    var moment: Moment { get }
    /// - Throws: `CancellationError`.
    func sleep(for length: Nanoseconds) async throws
    /// Takes a member's clock into account: what its answer showed, to a question that was asked so long ago.
    func note(_ member: AnsweringMember, roundTrip: Nanoseconds)
}

/// Rings once, after a time.
package protocol ReplicaTimers: Sendable {
    /// - Parameter ring: called from any thread.
    func schedule(
        after length: Nanoseconds, _ ring: @escaping @Sendable () -> Void
    ) -> any ReplicaTimer
}

/// A timer that may have rung.
package protocol ReplicaTimer: Sendable {
    func cancel()
}

/// Where sealed events are read.
package protocol SealedBlocks: Sendable {
    /// All events of the block that begins at a number.
    func events(of first: SequenceNumber) async throws -> [SealedEntry]
    /// The event with a number, in the block that begins at `first`.
    func event(
        _ number: SequenceNumber, startedBy first: SequenceNumber?
    ) async throws -> SealedEntry
    /// A block was sealed here, or read while following: who asks for it soon need not read it.
    func keep(first: SequenceNumber, bytes: [UInt8], events: Int)
}

/// Opens connections to the replica that seals.
package protocol ReplicaLinks: Sendable {
    /// - Parameters:
    ///   - known: counter and head as this replica knows them; the other one must have them too (protocol.md 20).
    ///   - clusterID: etcd's, as this replica knows it; 0 while it does not.
    func link(
        to hint: SealerHint, known: LedgerObservation?, clusterID: UInt64
    ) -> any ReplicaLink
}

/// One connection to a replica that seals: events go out in order, answers come in.
package protocol ReplicaLink: Sendable {
    /// Connects, and serves until the connection ends or is closed. The last thing that is handled is `down`.
    func run(_ handle: @escaping @Sendable (LinkEvent) -> Void) async
    /// Forwards events after all that were forwarded before.
    func send(_ submissions: [Submission])
    /// Tells the sealer that nobody waits any more for events that were forwarded.
    func recall(_ tokens: [SubmissionToken])
    /// Ends the connection.
    func close()
}

/// What comes over a link.
package enum LinkEvent: Sendable {
    case up
    case answers([(SubmissionToken, ForwardOutcome)])
    case farewell
    /// Nothing more will come; said once.
    case down(String)
}

/// Who is told of a replica's doings, for logs, metrics and health. Called in order, by one thread at a time, and never
/// under a lock.
package protocol ReplicaObserver: Sendable {
    func changed(_ condition: ReplicaCondition)
    /// - Parameter part: what the replica does now, in one word.
    func reported(_ report: ReplicaReport, part: String)
    /// A batch is sent.
    func sealing(_ plan: BatchPlan)
    /// A sealing transaction was answered as applied, so long after it was sent.
    func applied(after length: Nanoseconds)
    /// Events go to the replica that seals.
    func forwarding(events: Int)
    /// The hint was given back: replicas that forward here are told.
    func gaveHintBack()
}
