import Foundation
import ObjectStorage
import Testing

/// What a folder does beyond `StoreBehaviour`.
@Suite("FolderStore")
struct FolderStoreTests {
    private let root = FileManager.default.temporaryDirectory
        .appending(path: "ledger-objects-\(UUID().uuidString)")

    private func withStore(
        _ body: (FolderStore) async throws -> Void
    ) async throws {
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: root) }
        try await body(FolderStore(path: root.path))
    }

    private func failure(
        _ body: () async throws -> Void
    ) async -> ObjectStoreError.Kind? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? ObjectStoreError)?.kind
        }
    }

    @Test("a folder that does not exist is not made")
    func missingRoot() async throws {
        let store = FolderStore(path: root.path)
        let name = try ObjectName("a/b")
        #expect(await failure { _ = try await store.read(name, maximum: 1) } == .noSuchBucket)
        #expect(await failure { _ = try await store.putIfAbsent(name, [1]) } == .noSuchBucket)
        #expect(await failure { try await store.replace(name, with: [1]) } == .noSuchBucket)
        #expect(
            await failure { _ = try await store.list(prefix: "", after: nil, limit: 1) }
                == .noSuchBucket)
        #expect(await failure { try await store.remove(name) } == .noSuchBucket)
        #expect(!FileManager.default.fileExists(atPath: root.path))
    }

    @Test("no link is followed, neither as a folder nor as an object")
    func links() async throws {
        try await withStore { store in
            let outside = root.deletingLastPathComponent().appending(path: "\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: outside, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: outside) }
            let secret = outside.appending(path: "secret")
            try Data("secret".utf8).write(to: secret)
            try FileManager.default.createSymbolicLink(
                at: root.appending(path: "folder"), withDestinationURL: outside)
            try FileManager.default.createSymbolicLink(
                at: root.appending(path: "object"), withDestinationURL: secret)
            let inside = try ObjectName("folder/secret")
            let object = try ObjectName("object")
            #expect(await failure { _ = try await store.read(inside, maximum: 9) } == .notAllowed)
            #expect(await failure { _ = try await store.read(object, maximum: 9) } == .notAllowed)
            #expect(
                await failure { _ = try await store.putIfAbsent(inside, [1]) } == .notAllowed)
            #expect(await failure { try await store.replace(inside, with: [1]) } == .notAllowed)
            #expect(await failure { try await store.remove(inside) } == .notAllowed)
            #expect(try await store.list(prefix: "", after: nil, limit: 9) == [])
            // A link with the object's own name is replaced itself, not what it leads to.
            try await store.replace(object, with: [1])
            #expect(try await store.read(object, maximum: 9) == [1])
            #expect(try Data(contentsOf: secret) == Data("secret".utf8))
        }
    }

    @Test("what a killed process left is removed when it is old, and is never an object")
    func leftovers() async throws {
        try await withStore { store in
            let folder = root.appending(path: "~put")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let old = folder.appending(path: "1-1")
            let young = folder.appending(path: "1-2")
            for file in [old, young] { try Data([1]).write(to: file) }
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -7200)],
                ofItemAtPath: old.path)
            #expect(try await store.list(prefix: "", after: nil, limit: 9) == [])
            #expect(try await store.putIfAbsent(ObjectName("a"), [1]) == .created)
            #expect(!FileManager.default.fileExists(atPath: old.path))
            #expect(FileManager.default.fileExists(atPath: young.path))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["1-2"])
        }
    }

    @Test("the last object of a folder takes it along, and a write in that moment succeeds")
    func emptyFolders() async throws {
        try await withStore { store in
            let name = try ObjectName("a/b/c")
            _ = try await store.putIfAbsent(name, [1])
            try await store.remove(name)
            #expect(!FileManager.default.fileExists(atPath: root.appending(path: "a").path))
            let others = try (0..<4).map { try ObjectName("a/b/\($0)") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for other in others {
                    group.addTask {
                        for _ in 0..<100 {
                            #expect(try await store.putIfAbsent(other, [1]) == .created)
                            try await store.remove(other)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a pipe and a folder are no objects, and hold nobody up")
    func otherKinds() async throws {
        try await withStore { store in
            #expect(mkfifo(root.appending(path: "pipe").path, 0o600) == 0)
            let pipe = try ObjectName("pipe")
            #expect(await failure { _ = try await store.read(pipe, maximum: 9) } == .notAllowed)
            #expect(try await store.list(prefix: "", after: nil, limit: 9) == [])
            #expect(try await store.putIfAbsent(ObjectName("a/b"), [1]) == .created)
            #expect(try await store.read(ObjectName("a"), maximum: 9) == nil)
            #expect(try await store.read(ObjectName("a/b/c"), maximum: 9) == nil)
            #expect(
                await failure { try await store.replace(ObjectName("a"), with: [1]) } != nil)
            #expect(
                await failure { _ = try await store.putIfAbsent(ObjectName("a"), [1]) }
                    == .notAllowed)
            #expect(
                await failure { _ = try await store.putIfAbsent(ObjectName("a/b/c"), [1]) } != nil)
        }
    }
}
