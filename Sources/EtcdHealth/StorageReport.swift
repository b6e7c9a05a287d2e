/// How full etcd is, as health and metrics show it.
package struct StorageReport: Hashable, Sendable {
    /// The size of the fullest member's database, in bytes; nil before one has answered.
    package var databaseBytes: Int64?
    /// The size at which etcd refuses to write, in bytes; nil where it is not known.
    package var quotaBytes: Int64?
    /// The size from which on nothing new is accepted: the quota less the reserve.
    package var limitBytes: Int64?
    /// In how many seconds `limitBytes` is reached at the growth of the last hour; nil where it does not grow, or nothing
    /// is known.
    package var secondsUntilFull: Double?

    /// The same if nothing were trimmed from now on: at the rate at which events were sealed in the last hour, and the bytes
    /// that an event takes in etcd.
    package var secondsUntilFullUntrimmed: Double?

    /// Whether the reserve has begun.
    package var isFull: Bool {
        guard let databaseBytes, let limitBytes else { return false }
        return databaseBytes >= limitBytes
    }

    package init(
        databaseBytes: Int64? = nil, quotaBytes: Int64? = nil, limitBytes: Int64? = nil,
        secondsUntilFull: Double? = nil, secondsUntilFullUntrimmed: Double? = nil
    ) {
        self.databaseBytes = databaseBytes
        self.quotaBytes = quotaBytes
        self.limitBytes = limitBytes
        self.secondsUntilFull = secondsUntilFull
        self.secondsUntilFullUntrimmed = secondsUntilFullUntrimmed
    }
}
