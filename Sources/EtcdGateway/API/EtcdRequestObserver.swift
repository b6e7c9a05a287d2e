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
}
