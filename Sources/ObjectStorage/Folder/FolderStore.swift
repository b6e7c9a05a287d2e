/// Objects as files below a folder, on a disk of this machine or a shared file system with hard links.
///
/// A file is written to a temporary name, synced, and given its name by `link` or `rename`, which are atomic; then the
/// folders on its way are synced. Several processes may use one folder. The folder itself must exist: a mount that is
/// missing must not become a folder on the wrong disk. Nothing below it is followed out of it: links are errors.
package final class FolderStore: ObjectStore {
    /// How many calls of the system may block at once.
    static let width = 4

    package let location: String
    private let tree: FolderTree
    private let queue = BlockingQueue(label: "ledger.archive", width: width)
    private let reporter: RequestReporter

    /// Opens nothing yet.
    ///
    /// - Parameter path: The folder; absolute.
    package init(path: String, observer: ObjectRequestObserver? = nil) {
        location = ObjectLocation.folder(path).description
        tree = FolderTree(root: path)
        reporter = RequestReporter(observer: observer)
    }

    package func read(_ name: ObjectName, maximum: Int) async throws(ObjectStoreError) -> [UInt8]? {
        try await reporter.report(.read) { () throws(ObjectStoreError) in
            let bytes = try await queue.run { [tree] () throws(ObjectStoreError) in
                try tree.read(name, maximum: maximum)
            }
            return (bytes, bytes == nil ? .absent : .ok, bytes?.count ?? 0)
        }
    }

    package func putIfAbsent(
        _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) -> PutResult {
        try await reporter.report(.put) { () throws(ObjectStoreError) in
            let result = try await queue.run { [tree] () throws(ObjectStoreError) in
                try tree.write(name, bytes, replacing: false)
            }
            return (
                result, result == .exists ? .exists : .ok, result == .exists ? 0 : bytes.count
            )
        }
    }

    package func replace(
        _ name: ObjectName, with bytes: [UInt8]
    ) async throws(ObjectStoreError) {
        try await reporter.report(.replace) { () throws(ObjectStoreError) in
            _ = try await queue.run { [tree] () throws(ObjectStoreError) in
                try tree.write(name, bytes, replacing: true)
            }
            return ((), .ok, bytes.count)
        }
    }

    package func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> [ObjectName] {
        try await reporter.report(.list) { () throws(ObjectStoreError) in
            let names = try await queue.run { [tree] () throws(ObjectStoreError) in
                try tree.list(prefix: prefix, after: after, limit: limit)
            }
            return (names, .ok, 0)
        }
    }

    package func remove(_ name: ObjectName) async throws(ObjectStoreError) {
        try await reporter.report(.remove) { () throws(ObjectStoreError) in
            try await queue.run { [tree] () throws(ObjectStoreError) in try tree.remove(name) }
            return ((), .ok, 0)
        }
    }
}
