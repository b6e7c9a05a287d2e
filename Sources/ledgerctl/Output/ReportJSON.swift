internal import Foundation
internal import LedgerClient

/// A verification's report with the API's names.
struct VerificationJSON: Encodable {
    private struct Finding: Encodable {
        let sequenceNumber: UInt64
        let kind: String
        let expected: String
        let actual: String
    }

    private let valid: Bool
    private let eventsVerified: UInt64
    private let first: UInt64
    private let last: UInt64
    private let firstFinding: Finding?

    init(_ report: VerificationReport) {
        valid = report.isValid
        eventsVerified = report.eventsVerified
        first = report.first
        last = report.last
        firstFinding = report.firstFinding.map {
            Finding(
                sequenceNumber: $0.sequenceNumber, kind: $0.kind, expected: $0.expected,
                actual: $0.actual)
        }
    }
}

/// Both health answers in one object, with the API's names.
struct HealthReportJSON: Encodable {
    private struct Pool: Encodable {
        let maxConnections: Int
        let activeConnections: Int
        let idleConnections: Int
        let waitCount: Int64
    }

    private struct Config: Encodable {
        let hostname: String
        let port: Int
        let `protocol`: String
        let poolInfo: Pool?
    }

    private struct Dependency: Encodable {
        let name: String
        let type: String
        let status: String
        let isCritical: Bool
        let message: String
        let error: String
        let config: Config
        let metadata: [String: String]
        let lastCheck: String
        let responseTimeMs: Int64
    }

    private struct Details: Encodable {
        let status: String
        let message: String
        let dependencies: [Dependency]
        let checkedAt: String
        let checkDurationMs: Int64
    }

    private let healthy: Bool
    private let status: String
    private let lastSequenceNumber: UInt64
    private let details: Details

    init(_ health: ServiceHealth, _ report: HealthReport) {
        healthy = health.isHealthy
        status = health.status
        lastSequenceNumber = health.lastSequenceNumber
        details = Details(
            status: report.status.rawValue, message: report.message,
            dependencies: report.dependencies.map(Self.dependency),
            checkedAt: report.checkedAt, checkDurationMs: report.checkDurationMilliseconds)
    }

    private static func dependency(_ value: HealthReport.Dependency) -> Dependency {
        let pool = value.pool.map {
            Pool(
                maxConnections: $0.maximum, activeConnections: $0.active,
                idleConnections: $0.idle, waitCount: $0.waitCount)
        }
        return Dependency(
            name: value.name, type: value.type, status: value.status.rawValue,
            isCritical: value.isCritical, message: value.message, error: value.error,
            config: Config(
                hostname: value.hostname, port: value.port, protocol: value.protocolName,
                poolInfo: pool),
            metadata: value.metadata, lastCheck: value.lastCheck,
            responseTimeMs: value.responseTimeMilliseconds)
    }
}
