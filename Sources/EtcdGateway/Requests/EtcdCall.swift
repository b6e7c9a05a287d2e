/// One request as it goes to etcd: what it does, and the bytes of its body.
struct EtcdCall: Sendable {
    /// The gateway's methods that are used here.
    enum Operation: String, Sendable {
        case range
        case transaction = "txn"
        case leaseGrant = "lease_grant"
        case leaseKeepAlive = "lease_keepalive"
        case leaseRevoke = "lease_revoke"
        case status
        case alarm
        case authenticate

        var path: StaticString {
            switch self {
            case .range: "/v3/kv/range"
            case .transaction: "/v3/kv/txn"
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
            case .range, .status, .alarm, .authenticate: true
            case .transaction, .leaseGrant, .leaseKeepAlive, .leaseRevoke: false
            }
        }

        /// Whether a token goes with it where etcd's RBAC is on.
        var needsToken: Bool { self != .authenticate }
    }

    let operation: Operation
    let body: [UInt8]
}
