/// A lease that etcd granted.
package struct EtcdLease: Hashable, Sendable {
    package var id: Int64
    /// The time to live that etcd gave, in seconds; it may be longer than what was asked for.
    package var ttlSeconds: Int64

    package init(id: Int64, ttlSeconds: Int64) {
        self.id = id
        self.ttlSeconds = ttlSeconds
    }
}
