/// One request as it goes to etcd: what it does, and the bytes of its body.
struct EtcdCall: Sendable {
    /// The gateway's methods that are used here.
    enum Operation: Sendable {
        case range
        case transaction
        /// A transaction that writes in neither branch.
        case readingTransaction
        case leaseGrant
        case leaseKeepAlive
        case leaseRevoke
        case status
        case alarm
        case authenticate

        /// What observers are told.
        var name: String {
            switch self {
            case .range: "range"
            case .transaction, .readingTransaction: "txn"
            case .leaseGrant: "lease_grant"
            case .leaseKeepAlive: "lease_keepalive"
            case .leaseRevoke: "lease_revoke"
            case .status: "status"
            case .alarm: "alarm"
            case .authenticate: "authenticate"
            }
        }

        var path: String {
            switch self {
            case .range: "/v3/kv/range"
            case .transaction, .readingTransaction: "/v3/kv/txn"
            case .leaseGrant: "/v3/lease/grant"
            case .leaseKeepAlive: "/v3/lease/keepalive"
            case .leaseRevoke: "/v3/lease/revoke"
            case .status: "/v3/maintenance/status"
            case .alarm: "/v3/maintenance/alarm"
            case .authenticate: "/v3/auth/authenticate"
            }
        }

        /// Whether sending it once more can do no harm, whatever became of it before.
        var isRead: Bool {
            switch self {
            case .range, .readingTransaction, .status, .alarm, .authenticate: true
            case .transaction, .leaseGrant, .leaseKeepAlive, .leaseRevoke: false
            }
        }

        /// What etcd's roles have to allow.
        var access: EtcdAccess {
            switch self {
            case .range, .readingTransaction: .read
            case .transaction: .write
            case .leaseGrant, .leaseKeepAlive, .leaseRevoke, .status, .alarm, .authenticate: .other
            }
        }

        /// Whether a token goes with it where etcd's RBAC is on.
        var needsToken: Bool { self != .authenticate }
    }

    let operation: Operation
    let body: [UInt8]
}
