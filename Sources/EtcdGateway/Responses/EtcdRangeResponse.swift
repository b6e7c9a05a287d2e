/// What a range found.
package struct EtcdRangeResponse: Hashable, Sendable {
    /// Missing inside a transaction's answer, which has a header of its own.
    package var header: EtcdResponseHeader?
    /// In ascending order of the keys.
    package var kvs: [EtcdKeyValue]
    /// Whether the limit left keys out.
    package var more: Bool
    /// How many keys lie in the range, whatever the limit.
    package var count: Int64

    package init(
        header: EtcdResponseHeader? = nil, kvs: [EtcdKeyValue], more: Bool, count: Int64
    ) {
        self.header = header
        self.kvs = kvs
        self.more = more
        self.count = count
    }
}
