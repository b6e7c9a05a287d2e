/// Who answered, and how far the store had come.
package struct EtcdResponseHeader: Hashable, Sendable {
    package var clusterID: UInt64
    package var memberID: UInt64
    /// The store's revision when the request was applied.
    package var revision: Int64
    package var raftTerm: UInt64
    /// The member's clock in whole seconds since 1970, from the answer's `Date` header.
    package var date: Int64?
    /// The address that answered.
    package var endpoint: EtcdEndpoint

    package init(
        clusterID: UInt64, memberID: UInt64, revision: Int64, raftTerm: UInt64, date: Int64?,
        endpoint: EtcdEndpoint
    ) {
        self.clusterID = clusterID
        self.memberID = memberID
        self.revision = revision
        self.raftTerm = raftTerm
        self.date = date
        self.endpoint = endpoint
    }
}
