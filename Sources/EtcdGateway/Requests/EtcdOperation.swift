/// One operation of a transaction.
package enum EtcdOperation: Hashable, Sendable {
    /// Writes a value; with a lease other than zero, the key vanishes when the lease ends.
    case put(key: [UInt8], value: [UInt8], lease: Int64 = 0)
    case range(EtcdRangeRequest)
    /// Deletes one key, or those from `key` up to but excluding `rangeEnd`.
    case delete(key: [UInt8], rangeEnd: [UInt8]? = nil)

    /// Which answer the operation calls for.
    var kind: EtcdOperationKind {
        switch self {
        case .put: .put
        case .range: .range
        case .delete: .delete
        }
    }
}

/// The sort of an operation, by which its answer is checked.
enum EtcdOperationKind: Hashable, Sendable {
    case put, range, delete
}
