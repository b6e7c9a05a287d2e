/// Hears of every request that ended; made for metrics.
package protocol EtcdRequestObserver: Sendable {
    /// Called once per call of `EtcdClient`, on the caller's executor.
    ///
    /// - Parameters:
    ///   - operation: `range`, `txn`, `lease_grant`, `lease_keepalive`, `lease_revoke`, `status`,
    ///     `alarm` or `authenticate`.
    ///   - result: `ok`, or the raw value of the error's `EtcdFailureClass`.
    ///   - duration: From the call to its end, all attempts included.
    func etcdRequestEnded(operation: String, result: String, duration: Duration)

    /// Called beside it, with the error of a request that did not succeed.
    func etcdRequestEnded(_ access: EtcdAccess, _ error: EtcdError?)
}

extension EtcdRequestObserver {
    package func etcdRequestEnded(_ access: EtcdAccess, _ error: EtcdError?) {}
}

/// What a request does with keys, as etcd's roles tell it apart.
package enum EtcdAccess: Hashable, Sendable {
    case read
    case write
    /// Nothing: leases, status, alarms, logins.
    case other
}
