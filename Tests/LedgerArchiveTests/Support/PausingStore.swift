import ObjectStorage
import Synchronization

/// A storage whose writer is paused, as a process is, before it writes certain objects.
final class PausingStore: ObjectStore {
    private struct State {
        var prefix: String?
        var isPaused = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var watching: [CheckedContinuation<Void, Never>] = []
    }

    let location: String
    private let inner: any ObjectStore
    private let state = Mutex(State())

    init(around inner: any ObjectStore) {
        self.inner = inner
        location = inner.location
    }

    func pause(before prefix: String) { state.withLock { $0.prefix = prefix } }

    func resume() {
        let waiting = state.withLock { state in
            state.prefix = nil
            state.isPaused = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func waitUntilPaused() async {
        await withCheckedContinuation { continuation in
            let isPaused = state.withLock { state in
                if !state.isPaused { state.watching.append(continuation) }
                return state.isPaused
            }
            if isPaused { continuation.resume() }
        }
    }

    private func pass(_ name: ObjectName) async {
        await withCheckedContinuation { continuation in
            let (mayPass, watching) = state.withLock {
                state -> (Bool, [CheckedContinuation<Void, Never>]) in
                guard let prefix = state.prefix, name.text.hasPrefix(prefix) else {
                    return (true, [])
                }
                state.waiting.append(continuation)
                state.isPaused = true
                defer { state.watching = [] }
                return (false, state.watching)
            }
            if mayPass { continuation.resume() }
            for watcher in watching { watcher.resume() }
        }
    }

    func read(_ name: ObjectName, maximum: Int) async throws(ObjectStoreError) -> [UInt8]? {
        try await inner.read(name, maximum: maximum)
    }

    func putIfAbsent(
        _ name: ObjectName, _ bytes: [UInt8]
    ) async throws(ObjectStoreError) -> PutResult {
        await pass(name)
        return try await inner.putIfAbsent(name, bytes)
    }

    func replace(_ name: ObjectName, with bytes: [UInt8]) async throws(ObjectStoreError) {
        await pass(name)
        try await inner.replace(name, with: bytes)
    }

    func list(
        prefix: String, after: ObjectName?, limit: Int
    ) async throws(ObjectStoreError) -> [ObjectName] {
        try await inner.list(prefix: prefix, after: after, limit: limit)
    }

    func remove(_ name: ObjectName) async throws(ObjectStoreError) {
        try await inner.remove(name)
    }
}
