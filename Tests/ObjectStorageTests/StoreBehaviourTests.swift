import Foundation
import ObjectStorage
import Synchronization
import TestSupport
import Testing

/// A store that both promises are kept by, and how it is reached.
enum StoreKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case folder
    case s3
    case s3VirtualHost
    case s3Unconditional

    var testDescription: String { rawValue }

    /// Runs a body with an empty store of this kind.
    func withStore(
        observer: ObjectRequestObserver? = nil, _ body: (any ObjectStore) async throws -> Void
    ) async throws {
        if self == .folder {
            let root = FileManager.default.temporaryDirectory
                .appending(path: "ledger-objects-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: root) }
            try await body(FolderStore(path: root.path, observer: observer))
            return
        }
        let server = try await S3Server.shared()
        var settings = server.settings
        switch self {
        case .s3VirtualHost:
            settings.endpoint = "http://\(server.report.domain):\(server.plainPort)"
            settings.addressing = .virtualHost
        case .s3Unconditional: settings.conditionalPut = .never
        case .s3, .folder: break
        }
        let store = try S3Store(settings, observer: observer)
        try await body(store)
        await store.shutDown()
    }
}

/// What every store does, a folder and a real S3 server alike.
@Suite("What every object store does")
struct StoreBehaviourTests {
    private func kind(
        _ body: () async throws -> Void
    ) async -> ObjectStoreError.Kind? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? ObjectStoreError)?.kind
        }
    }

    @Test("an object that is made is read, and stays as it is", arguments: StoreKind.allCases)
    func putIfAbsent(_ store: StoreKind) async throws {
        try await store.withStore { store in
            for text in ["checkpoint", "tile/0/x001/234.p/5", "A-_.z/ids/7"] {
                let name = try ObjectName(text)
                #expect(try await store.read(name, maximum: 100) == nil)
                #expect(try await store.putIfAbsent(name, Array(text.utf8)) == .created)
                #expect(try await store.read(name, maximum: 100) == Array(text.utf8))
                #expect(try await store.putIfAbsent(name, [1, 2]) == .exists)
                #expect(try await store.read(name, maximum: 100) == Array(text.utf8))
            }
        }
    }

    @Test("an object may be empty, and may be long", arguments: StoreKind.allCases)
    func sizes(_ store: StoreKind) async throws {
        try await store.withStore { store in
            var random = ReplayableRandom(seed: 7)
            for count in [0, 1, 65_537, 3 << 20] {
                let name = try ObjectName("size/\(count)")
                let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                #expect(try await store.putIfAbsent(name, bytes) == .created)
                #expect(try await store.read(name, maximum: count) == bytes)
                try await store.replace(name, with: bytes.reversed())
                #expect(try await store.read(name, maximum: 8 << 20) == bytes.reversed())
            }
        }
    }

    @Test(
        "an object that is longer than the caller takes is an error", arguments: StoreKind.allCases)
    func maximum(_ store: StoreKind) async throws {
        try await store.withStore { store in
            for count in [10, 200_000] {
                let name = try ObjectName("long/\(count)")
                try await store.replace(name, with: [UInt8](repeating: 7, count: count))
                #expect(try await store.read(name, maximum: count)?.count == count)
                #expect(
                    await kind { _ = try await store.read(name, maximum: count - 1) } == .tooLarge)
                #expect(await kind { _ = try await store.read(name, maximum: 0) } == .tooLarge)
            }
        }
    }

    @Test("an object is replaced, whether it was there or not", arguments: StoreKind.allCases)
    func replace(_ store: StoreKind) async throws {
        try await store.withStore { store in
            let name = try ObjectName("a/checkpoint")
            for bytes: [UInt8] in [[1], [2, 3], []] {
                try await store.replace(name, with: bytes)
                #expect(try await store.read(name, maximum: 9) == bytes)
            }
        }
    }

    @Test("an object is removed, and need not be there", arguments: StoreKind.allCases)
    func remove(_ store: StoreKind) async throws {
        try await store.withStore { store in
            let name = try ObjectName("a/b/c")
            try await store.remove(name)
            #expect(try await store.putIfAbsent(name, [1]) == .created)
            try await store.remove(name)
            #expect(try await store.read(name, maximum: 9) == nil)
            #expect(try await store.list(prefix: "", after: nil, limit: 9) == [])
            #expect(try await store.putIfAbsent(name, [2]) == .created)
        }
    }

    @Test(
        "names are listed in order, from anywhere on, over many pages",
        arguments: StoreKind.allCases)
    func list(_ store: StoreKind) async throws {
        try await store.withStore { store in
            let texts =
                [
                    "a-b", "a.b", "a0", "checkpoint", "a/b", "a/b.c/d", "a/c", "b/x/y/z",
                    "tile/entries/1",
                ]
                + (0..<25).map { "tile/0/x\(100 + $0)/\(900 - $0)" }
            let names = try texts.map { try ObjectName($0) }.sorted()
            for name in names.shuffled() {
                #expect(try await store.putIfAbsent(name, Array(name.text.utf8)) == .created)
            }
            #expect(try await store.list(prefix: "", after: nil, limit: 1000) == names)
            for prefix in [
                "a", "a/", "a/b", "tile/0/x1", "tile/0/x104/", "tile/0/x104/896", "c", "x",
            ] {
                #expect(
                    try await store.list(prefix: prefix, after: nil, limit: 1000)
                        == names.filter { $0.text.hasPrefix(prefix) }, "\(prefix)")
            }
            for limit in [1, 2, 11, 34] {
                var found: [ObjectName] = []
                while true {
                    let page = try await store.list(prefix: "", after: found.last, limit: limit)
                    #expect(page.count <= limit)
                    if page.isEmpty { break }
                    found += page
                }
                #expect(found == names, "\(limit)")
            }
            for after in ["a", "a/b", "a/b.c/dd", "tile/0/x110", "tile/0/x110/890", "zzz"] {
                let after = try ObjectName(after)
                #expect(
                    try await store.list(prefix: "tile", after: after, limit: 1000)
                        == names.filter { $0.text.hasPrefix("tile") && $0 > after }, "\(after)")
            }
        }
    }

    @Test("a prefix that no name begins with is an error", arguments: StoreKind.allCases)
    func badPrefix(_ store: StoreKind) async throws {
        try await store.withStore { store in
            for prefix in ["/", "a b", "ä", "a?b"] {
                #expect(
                    await kind { _ = try await store.list(prefix: prefix, after: nil, limit: 1) }
                        == .invalidName)
            }
        }
    }

    @Test("of many who make one object, it is one's, whole", arguments: StoreKind.allCases)
    func race(_ kind: StoreKind) async throws {
        try await kind.withStore { store in
            for round in 0..<4 {
                let name = try ObjectName("race/\(round)")
                let created = try await withThrowingTaskGroup(of: PutResult.self) { group in
                    for number in 0..<8 {
                        let bytes = [UInt8](repeating: UInt8(number), count: 50_000)
                        group.addTask { try await store.putIfAbsent(name, bytes) }
                    }
                    return try await group.reduce(into: 0) { $0 += $1 == .created ? 1 : 0 }
                }
                // This server knows no conditional puts, so several may find nothing there.
                #expect(kind == .folder ? created == 1 : created >= 1)
                let bytes = try #require(try await store.read(name, maximum: 50_000))
                #expect(bytes.count == 50_000 && Set(bytes).count == 1)
            }
        }
    }

    @Test("every request is told of", arguments: StoreKind.allCases)
    func observer(_ kind: StoreKind) async throws {
        let told = Mutex<[ObjectRequest]>([])
        let observer: ObjectRequestObserver = { request in told.withLock { $0.append(request) } }
        try await kind.withStore(observer: observer) { store in
            let name = try ObjectName("a")
            _ = try await store.read(name, maximum: 9)
            _ = try await store.putIfAbsent(name, [1, 2])
            _ = try await store.read(name, maximum: 9)
            try await store.replace(name, with: [1, 2, 3])
            _ = try await store.list(prefix: "", after: nil, limit: 9)
            _ = try? await store.read(name, maximum: 1)
            try await store.remove(name)
        }
        let requests = told.withLock { $0 }
        #expect(requests.allSatisfy { $0.duration > .zero })
        let expected: [(ObjectRequest.Operation, String, Int)] = [
            (.read, "absent", 0), (.put, "ok", 2), (.read, "ok", 2), (.replace, "ok", 3),
            (.list, "ok", 0), (.read, "too_large", 0), (.remove, "ok", 0),
        ]
        // A store that knows no conditional puts refuses one, and is asked whether the object exists.
        let told2 = requests.map { ($0.operation, $0.result.label, $0.byteCount) }
        if kind == .folder {
            #expect(told2.map { "\($0)" } == expected.map { "\($0)" })
        } else {
            for one in expected { #expect(told2.contains { $0 == one }, "\(one)") }
        }
    }
}
