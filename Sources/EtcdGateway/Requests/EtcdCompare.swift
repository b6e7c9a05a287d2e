/// One condition of a transaction. A key that does not exist has revisions, version and lease
/// zero, and no value: comparing its value with anything fails.
package enum EtcdCompare: Hashable, Sendable {
    /// The revision of the last change of the key.
    case modRevision(key: [UInt8], equals: Int64)
    /// The revision at which the key came into being; zero: it does not exist.
    case createRevision(key: [UInt8], equals: Int64)
    /// How often the key was changed since it came into being.
    case version(key: [UInt8], equals: Int64)
    case value(key: [UInt8], equals: [UInt8])
    /// The lease the key is bound to; zero: none.
    case lease(key: [UInt8], equals: Int64)
}
