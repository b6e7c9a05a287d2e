package import EtcdGateway

/// The member of etcd that answered, and what its answer shows of it.
package struct AnsweringMember: Hashable, Sendable {
    package let id: UInt64
    package let clusterID: UInt64
    /// Its clock in whole seconds since 1970, where the answer says so.
    package let dateSeconds: Int64?
    let endpoint: EtcdEndpoint

    package init(_ header: EtcdResponseHeader) {
        id = header.memberID
        clusterID = header.clusterID
        dateSeconds = header.date
        endpoint = header.endpoint
    }

    /// `host:port`, for the log.
    package var address: String { endpoint.hostPort }
}
