import TextFormats

extension EtcdClient {
    /// Asks one member for its version, its role, the size of its database and its clock. It
    /// answers without a quorum.
    package func status(
        of endpoint: EtcdEndpoint, options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) -> EtcdMemberStatus {
        var options = options
        options.only = endpoint
        return try await answer(.status, RequestEncoding.status(), options) {
            decoding, body throws(JSONFailure) in try decoding.status(body)
        }
    }

    /// The alarms that are raised in the cluster. etcd asks its quorum for them.
    package func alarms(
        options: EtcdRequestOptions = .init()
    ) async throws(EtcdError) -> [EtcdAlarm] {
        try await answer(.alarm, RequestEncoding.alarms(), options) {
            decoding, body throws(JSONFailure) in try decoding.alarms(body)
        }
    }
}
