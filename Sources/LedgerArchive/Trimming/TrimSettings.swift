package import LedgerCore

/// What leaves etcd, and how fast.
package struct TrimSettings: Hashable, Sendable {
    /// The least number of events that stay: two segments, so that the newest one is always there.
    package static let leastRetained = 2 * ArchiveRecord.trimStep

    /// Where the archive is (`LEDGER_ARCHIVE`).
    package var location: String
    /// How many of the newest events stay in etcd (`LEDGER_ARCHIVE_RETAIN_EVENTS`); nil: all of them.
    package var retainedEvents: UInt64?
    /// The time between two looks.
    package var interval = Nanoseconds.milliseconds(5_000)
    /// How many ids segments are read back before `trimmed` is raised by them: 65,536 events.
    package var segmentsAtOnce: UInt64 = 16
    /// How many keys one transaction deletes. They are listed before, and etcd reads their values for that: 32 blocks
    /// have 32 MiB at most.
    package var keysAtOnce = 32
    /// The least time between two transactions.
    package var shortestPause = Nanoseconds.milliseconds(5)
    /// So many rounds in a row that end in vain are told of.
    package var failuresBeforeTrouble: Int64 = 3

    /// - Parameter retainedEvents: nil keeps all; at least `leastRetained`.
    package init(location: String, retainedEvents: UInt64?) {
        precondition(
            retainedEvents ?? .max >= Self.leastRetained, "too few events stay in etcd")
        self.location = location
        self.retainedEvents = retainedEvents
    }
}

/// How trimming goes.
package struct TrimStatus: Hashable, Sendable {
    /// Events up to this number may be missing from etcd, as it was seen last.
    package var trimmed = SequenceNumber.zero
    /// How many keys this process has deleted.
    package var deletedKeys: Int64 = 0
    /// How many rounds have ended in vain.
    package var failures: Int64 = 0
    /// Why nothing is trimmed at present; nil where nothing is wrong.
    package var trouble: String?
}
