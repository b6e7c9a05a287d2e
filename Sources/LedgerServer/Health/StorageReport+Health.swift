import EtcdHealth
import LedgerAPI
import SwiftProtobuf

extension StorageReport {
    /// Within so many seconds an operator had better do something.
    private static let alarming: Double = 3_600

    /// What the detailed view of health shows; nil before a member has answered, and where no quota is known.
    var dependency: Ledger_DependencyHealth? {
        guard let databaseBytes, quotaBytes != nil else { return nil }
        return .with {
            $0.name = "storage"
            $0.type = .database
            $0.isCritical = false
            let isAlarming = isFull || secondsUntilFull.map { $0 < Self.alarming } ?? false
            $0.status = isAlarming ? .degraded : .healthy
            if isFull { $0.error = "storage_reserve" }
            $0.message = sentence(databaseBytes)
            $0.metadata = ["db_size": "\(databaseBytes)"]
            if let quotaBytes { $0.metadata["quota"] = "\(quotaBytes)" }
            if let limitBytes { $0.metadata["limit"] = "\(limitBytes)" }
            if let secondsUntilFull {
                $0.metadata["seconds_until_full"] = "\(Int64(clamping: secondsUntilFull))"
            }
        }
    }

    private func sentence(_ bytes: Int64) -> String {
        guard let quotaBytes, quotaBytes > 0 else {
            return "etcd's database has \(Self.text(bytes)); its quota is not known "
                + "(LEDGER_ETCD_QUOTA_BYTES)"
        }
        let share = Double(bytes) / Double(quotaBytes) * 100
        let part = "etcd's database has \(Self.text(bytes)), \(Int(share)) % of its quota"
        if isFull {
            return "\(part), and the rest is kept as a reserve: make room, or raise "
                + "--quota-backend-bytes"
        }
        guard let secondsUntilFull else { return part }
        return "\(part); full in about \(Self.text(seconds: secondsUntilFull))"
    }

    private static func text(_ bytes: Int64) -> String {
        bytes < 10 << 20 ? "\(bytes >> 10) KiB" : "\(bytes >> 20) MiB"
    }

    private static func text(seconds: Double) -> String {
        switch seconds {
        case ..<120: "\(Int(seconds)) s"
        case ..<7_200: "\(Int(seconds / 60)) min"
        case ..<172_800: "\(Int(seconds / 3_600)) h"
        default: "\(Int64(clamping: seconds / 86_400)) days"
        }
    }
}

extension Int64 {
    /// The nearest whole number that there is.
    fileprivate init(clamping value: Double) {
        self = Int64(exactly: value.rounded()) ?? (value < 0 ? .min : .max)
    }
}
