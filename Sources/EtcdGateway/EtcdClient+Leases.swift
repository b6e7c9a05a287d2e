import TextFormats

extension EtcdClient {
    /// Gets a lease.
    ///
    /// - Parameter ttlSeconds: The wished time to live. etcd makes it longer where it is shorter
    ///   than one and a half elections.
    package func grantLease(
        ttlSeconds: Int64, options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) -> EtcdLease {
        let body = RequestEncoding.leaseGrant(ttlSeconds: ttlSeconds)
        return try await answer(.leaseGrant, body, options) {
            decoding, body throws(JSONFailure) in try decoding.leaseGrant(body)
        }
    }

    /// Renews a lease.
    ///
    /// - Returns: The remaining time to live in seconds, or nil where the lease has expired.
    package func keepAliveLease(
        _ id: Int64, options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) -> Int64? {
        try await answer(.leaseKeepAlive, RequestEncoding.lease(id: id), options) {
            decoding, body throws(JSONFailure) in try decoding.leaseKeepAlive(body, id: id)
        }
    }

    /// Ends a lease, and with it all keys that are bound to it.
    ///
    /// - Throws: An error of code `notFound` where there is no such lease any more.
    package func revokeLease(
        _ id: Int64, options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) {
        try await answer(.leaseRevoke, RequestEncoding.lease(id: id), options) {
            decoding, body throws(JSONFailure) in try decoding.acknowledgement(body)
        }
    }
}
