package import EtcdGateway
import Synchronization

/// Watches how full etcd is: how much may still be written, when that is used up, and how soon to look again.
package final class StorageWatch: Sendable {
    /// Faster than this, in bytes a second, no replica writes: from there comes how soon to look again.
    private static let fastestGrowth: Int64 = 128 << 20
    /// The shortest time between two looks.
    private static let shortestPause = Duration.milliseconds(250)

    private struct State {
        var forecast = StorageForecast()
        /// Of the newest event's number instead of bytes: that grows whatever is deleted.
        var sealed = StorageForecast()
        var report = StorageReport()
    }

    private let state = Mutex(State())
    private let setQuota: Int64?
    private let reservePercent: Int64

    /// - Parameters:
    ///   - quotaBytes: of `LEDGER_ETCD_QUOTA_BYTES`; 0 where it is not known. What etcd says of itself counts before it.
    ///   - reservePercent: of `LEDGER_STORAGE_RESERVE`.
    package init(quotaBytes: Int, reservePercent: Int) {
        setQuota = quotaBytes > 0 ? Int64(quotaBytes) : nil
        self.reservePercent = Int64(reservePercent)
    }

    package var report: StorageReport { state.withLock { $0.report } }

    /// Takes what the members that answered have said.
    ///
    /// The fullest of them counts: one that has reached its quota stops the writes of all.
    ///
    /// - Parameters:
    ///   - sealed: the newest event's number; nil where it is not known.
    ///   - trimmed: of these, those that are in the archive alone.
    package func take(
        _ statuses: [EtcdMemberStatus], sealed: UInt64? = nil, trimmed: UInt64 = 0,
        at now: ContinuousClock.Instant
    ) {
        let levels = statuses.map { status in
            (bytes: status.dbSize, quota: status.dbSizeQuota > 0 ? status.dbSizeQuota : setQuota)
        }
        let fullest = levels.max { left, right in
            (left.quota.map { $0 - left.bytes } ?? .max, -left.bytes)
                > (right.quota.map { $0 - right.bytes } ?? .max, -right.bytes)
        }
        guard let fullest else { return }
        state.withLock { state in
            state.forecast.add(fullest.bytes, at: now)
            if let sealed { state.sealed.add(Int64(clamping: sealed), at: now) }
            var report = StorageReport(databaseBytes: fullest.bytes, quotaBytes: fullest.quota)
            if let quota = fullest.quota {
                let limit = quota - quota / 100 * reservePercent
                report.limitBytes = limit
                report.secondsUntilFull = state.forecast.seconds(until: limit)
                if let sealed, sealed > trimmed, limit > fullest.bytes {
                    // So many further events fit, if each takes what those take that are stored.
                    let events =
                        Double(limit - fullest.bytes) / Double(fullest.bytes)
                        * Double(sealed - trimmed)
                    report.secondsUntilFullUntrimmed = state.sealed.seconds(
                        until: Int64(clamping: sealed) + Int64(min(events, 1e15)))
                } else {
                    report.secondsUntilFullUntrimmed = report.secondsUntilFull
                }
            }
            state.report = report
        }
    }

    /// How much may still be written before the reserve begins; nil where no quota is known.
    package var roomBytes: Int64? {
        let report = report
        guard let bytes = report.databaseBytes, let limit = report.limitBytes else { return nil }
        return limit - bytes
    }

    /// The longest time until the members are to be asked again, so that the quota is not reached in between.
    package var pause: Duration {
        let report = report
        guard let bytes = report.databaseBytes, let quota = report.quotaBytes else {
            return .seconds(3_600)
        }
        let seconds = Double(max(0, quota - bytes)) / Double(Self.fastestGrowth)
        return max(Self.shortestPause, .seconds(seconds))
    }
}
