/// A read of one key, or of the keys from `key` up to but excluding `rangeEnd`, in ascending order.
///
/// There is deliberately no sort order: with one, etcd ignores the limit while it reads.
package struct EtcdRangeRequest: Hashable, Sendable {
    /// The key, or the first one. Never empty.
    package var key: [UInt8]
    /// The first key that is no longer read; nil reads just `key`.
    package var rangeEnd: [UInt8]?
    /// The most keys to answer with; zero means no limit.
    package var limit: Int64
    /// Answer from the member's own copy, which may be behind, without asking the quorum.
    package var serializable: Bool
    /// Leave the values out.
    package var keysOnly: Bool
    /// Answer with the number of keys only.
    package var countOnly: Bool
    /// Read as of this revision of the store; zero means the newest.
    package var revision: Int64

    package init(
        key: [UInt8], rangeEnd: [UInt8]? = nil, limit: Int64 = 0, serializable: Bool = false,
        keysOnly: Bool = false, countOnly: Bool = false, revision: Int64 = 0
    ) {
        self.key = key
        self.rangeEnd = rangeEnd
        self.limit = limit
        self.serializable = serializable
        self.keysOnly = keysOnly
        self.countOnly = countOnly
        self.revision = revision
    }
}
