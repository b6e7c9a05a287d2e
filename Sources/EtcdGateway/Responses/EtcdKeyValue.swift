/// A key with its value and history, as a range answers it.
package struct EtcdKeyValue: Hashable, Sendable {
    package var key: [UInt8]
    /// Empty where the request asked for keys only.
    package var value: [UInt8]
    package var createRevision: Int64
    package var modRevision: Int64
    package var version: Int64
    /// The lease the key is bound to; zero: none.
    package var lease: Int64

    package init(
        key: [UInt8], value: [UInt8], createRevision: Int64, modRevision: Int64, version: Int64,
        lease: Int64
    ) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.lease = lease
    }
}
