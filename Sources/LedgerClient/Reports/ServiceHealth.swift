package import LedgerAPI

/// Whether a replica can seal events now.
public struct ServiceHealth: Sendable, Hashable {
    /// Whether events can be sealed.
    public var isHealthy: Bool

    /// `SERVING`, `STARTING`, `READ_ONLY`, `FENCED` or `STOPPING`.
    public var status: String

    /// The last number that the replica knows of.
    public var lastSequenceNumber: UInt64

    package init(_ message: Ledger_HealthCheckResponse) {
        isHealthy = message.healthy
        status = message.status
        lastSequenceNumber = message.lastSequenceNumber
    }
}
