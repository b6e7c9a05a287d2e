/// The bounds within which a replica seals. Every one is a setting of the service.
package struct SealingSettings: Hashable, Sendable {
    /// How long a seal may take from receipt to commit (`LEDGER_COMMIT_DEADLINE_MS`).
    package var commitDeadline: Nanoseconds
    /// How long a caller waits for a transaction whose fate is not known (`LEDGER_RESOLVE_DEADLINE_MS`).
    package var resolveDeadline: Nanoseconds
    /// The most events of one transaction (`LEDGER_MAX_BATCH_EVENTS`, at most 1,024).
    package var maxBatchEvents: Int
    /// The most bytes of entries in one transaction (formats.md: 1 MiB).
    package var maxBatchBytes: Int
    /// The most events that wait (`LEDGER_MAX_QUEUED_EVENTS`).
    package var maxQueuedEvents: Int
    /// The most bytes of entries that wait (`LEDGER_MAX_QUEUED_BYTES`).
    package var maxQueuedBytes: Int
    /// The most look-ups of index hits that are under way at once (`LEDGER_MAX_LOOKUPS`).
    package var maxLookUps: Int

    /// When to come back where every connection to the store was in use.
    package static let busyDelay = Nanoseconds.milliseconds(100)

    package init(
        commitDeadline: Nanoseconds = .milliseconds(50),
        resolveDeadline: Nanoseconds = .milliseconds(100),
        maxBatchEvents: Int = Block.maxEntries,
        maxBatchBytes: Int = Block.maxEntryBytes,
        maxQueuedEvents: Int = 16_384,
        maxQueuedBytes: Int = 32 << 20,
        maxLookUps: Int = 8
    ) {
        precondition((1...Block.maxEntries).contains(maxBatchEvents))
        precondition(maxLookUps >= 1)
        precondition((EventLimits.maxEntryBytes...Block.maxEntryBytes).contains(maxBatchBytes))
        self.commitDeadline = commitDeadline
        self.resolveDeadline = resolveDeadline
        self.maxBatchEvents = maxBatchEvents
        self.maxBatchBytes = maxBatchBytes
        self.maxQueuedEvents = maxQueuedEvents
        self.maxQueuedBytes = maxQueuedBytes
        self.maxLookUps = maxLookUps
    }
}
