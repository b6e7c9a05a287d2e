/// Where an archive's objects are: a few operations that a folder and an S3 bucket can both promise.
///
/// Every operation is safe to repeat. Where one ends with an error, a write may have been applied all the same:
/// the caller repeats it, or reads.
package protocol ObjectStore: Sendable {
    /// Where it is, for logs and records, without credentials: `s3://bucket/prefix`, `file:///folder`.
    var location: String { get }

    /// Reads a whole object.
    ///
    /// - Parameter maximum: In bytes. A longer object is the error `tooLarge`, found before it was read whole.
    /// - Returns: Nil where it does not exist.
    func read(_ name: ObjectName, maximum: Int) async throws(ObjectStoreError) -> [UInt8]?

    /// Makes an object that is there with all its bytes, durably, or not at all; never overwrites one.
    ///
    /// A store that cannot promise that (`S3Settings.conditionalPut`) looks first. `exists` says nothing of what the
    /// object holds: it may be another's, or this very call's whose first attempt was applied without an answer. So
    /// the caller reads the object back in every case.
    func putIfAbsent(
        _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) -> PutResult

    /// Makes an object, or overwrites it: a reader finds the old bytes or the new ones, never a mixture.
    func replace(_ name: ObjectName, with bytes: [UInt8]) async throws(ObjectStoreError)

    /// Names in the order of their bytes.
    ///
    /// - Parameters:
    ///   - prefix: What they begin with; any text that a name may begin with, the empty one included.
    ///   - after: Only those behind this name, which need not exist.
    ///   - limit: At most so many, 1 or more.
    func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> [ObjectName]

    /// Removes an object. That it does not exist is no error.
    func remove(_ name: ObjectName) async throws(ObjectStoreError)
}

/// What became of an object that was to be made.
package enum PutResult: Sendable, Equatable {
    case created
    case exists
}
