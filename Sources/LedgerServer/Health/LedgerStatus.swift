/// What a replica can do now, by the names that `HealthCheck` answers.
package enum ServingState: String, Sendable, CaseIterable {
    /// Events can be sealed and read.
    case serving = "SERVING"
    /// The index is still being loaded, or etcd has not been reached since the start.
    case starting = "STARTING"
    /// Events can be read, but nothing can be sealed, for example without a quorum of etcd.
    case readOnly = "READ_ONLY"
    /// The store was rolled back: sealing stopped until an operator decides.
    case fenced = "FENCED"
    /// The replica is shutting down.
    case stopping = "STOPPING"
}

/// The one description of a replica that every health answer is made from.
package struct LedgerStatus: Sendable, Equatable {
    /// What the replica can do.
    package var state: ServingState
    /// Whether reads are answered; this alone is readiness.
    package var readsServed: Bool
    /// The newest sequence number that this replica knows, 0 for an empty ledger.
    package var lastSequenceNumber: UInt64
    /// One sentence for people, without addresses and secrets.
    package var message: String

    /// Whether callers should be sent here: reads are served, and the replica is not leaving.
    package var isReady: Bool { readsServed && state != .stopping }

    /// What a replica is before it has read anything.
    package static let starting = LedgerStatus(
        state: .starting, readsServed: false, message: "the ledger is being loaded")

    /// Makes a description.
    package init(
        state: ServingState, readsServed: Bool, lastSequenceNumber: UInt64 = 0,
        message: String = ""
    ) {
        self.state = state
        self.readsServed = readsServed
        self.lastSequenceNumber = lastSequenceNumber
        self.message = message
    }
}
