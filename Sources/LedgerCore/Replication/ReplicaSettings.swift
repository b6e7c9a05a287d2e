/// Who a replica is among the others, and the times by which it elects and forwards.
package struct ReplicaSettings: Hashable, Sendable {
    /// What this replica puts into the hint; nil where others cannot reach it, so that it only seals for itself.
    package var identity: SealerHint?
    /// How long the hint outlives its holder: the lease's time to live.
    package var hintLifetime: Nanoseconds
    /// How often a sealer renews its lease.
    package var keepAliveInterval: Nanoseconds
    /// A forward that is unanswered for so long, at least, puts the sealer in doubt (protocol.md 18).
    package var shortestPatience: Nanoseconds
    /// So many times longer before it is known how fast the sealer answers, 1...8: as TCP waits before its first round trip
    /// is measured, and as after doubts that were wrong.
    package var firstCaution: Double
    package var sealing: SealingSettings

    package init(
        identity: SealerHint?, hintLifetime: Nanoseconds = .milliseconds(3_000),
        keepAliveInterval: Nanoseconds = .milliseconds(1_000),
        shortestPatience: Nanoseconds = .milliseconds(20), firstCaution: Double = 1,
        sealing: SealingSettings = SealingSettings()
    ) {
        self.identity = identity
        self.hintLifetime = hintLifetime
        self.keepAliveInterval = keepAliveInterval
        self.shortestPatience = shortestPatience
        self.firstCaution = firstCaution
        self.sealing = sealing
    }
}

/// Whether a replica may seal, apart from who else does.
package enum SealingAbility: Hashable, Sendable {
    /// The ledger has not been read yet: submissions are refused.
    case loading
    case able
    /// Its clock cannot be believed, or nothing is known of it: it forwards, and holds no hint (protocol.md 22).
    case clockUntrusted
    /// A member of the store runs a release that can lose what it has committed: as with an untrusted clock.
    case releaseRefused
    /// Its transaction is not answered: it renews no lease, and takes no hint (protocol.md 18).
    case stuck
    /// The store is not the ledger that it knows: submissions are refused.
    case fenced
}
