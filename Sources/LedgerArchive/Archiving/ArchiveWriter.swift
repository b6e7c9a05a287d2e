import LedgerCore
import ObjectStorage
import Synchronization

/// Puts objects that never change: only if absent, read back, and compared before they count (protocol.md 26).
struct ArchiveWriter: Sendable {
    /// So often an object is written that is not there afterwards.
    private static let attempts = 3
    /// So often in a row an object must have other bytes before that is believed: an answer may be wrong.
    private static let readings = 3

    let objects: any ObjectStore

    /// Returns when the object is there with these bytes.
    func put(_ name: ObjectName, _ bytes: [UInt8]) async throws(ArchiveFailure) {
        for _ in 0..<Self.attempts {
            do throws(ObjectStoreError) {
                // Whatever it says: that it was there is no proof of what it holds, and that it was made none that
                // it stays.
                _ = try await objects.putIfAbsent(name, bytes)
            } catch {
                throw .storage(error)
            }
            switch try await look(at: name, for: bytes) {
            case .same: return
            case .other: throw .differs(name)
            case .absent: continue
            }
        }
        throw .notKept(name)
    }

    private enum Found { case same, other, absent }

    private func look(
        at name: ObjectName, for bytes: [UInt8]
    ) async throws(ArchiveFailure) -> Found {
        var found = Found.absent
        for _ in 0..<Self.readings {
            do throws(ObjectStoreError) {
                let there = try await objects.read(name, maximum: bytes.count)
                if there == bytes { return .same }
                found = there == nil ? .absent : .other
                if there == nil { return .absent }
            } catch {
                guard error.kind == .tooLarge else { throw .storage(error) }
                found = .other
            }
        }
        return found
    }
}

/// Writes several objects at a time, bounded in number and bytes.
struct WritingGroup {
    /// Objects that are written at a time.
    static let most = 8
    /// Bytes of those objects together; one alone may have more.
    static let mostBytes = 32 << 20

    private var open = 0
    private var openBytes = 0

    /// Runs a walk's writes in a group of tasks; the first failure ends it.
    ///
    /// - Parameter next: the next write and its bytes; nil at the end.
    static func run(
        _ next: () async throws(ArchiveFailure) -> (
            bytes: Int, write: @Sendable () async throws(ArchiveFailure) -> Void
        )?
    ) async throws(ArchiveFailure) {
        let result = await withTaskGroup(
            of: Result<Int, ArchiveFailure>.self, returning: Result<Void, ArchiveFailure>.self
        ) { tasks in
            var group = WritingGroup()
            do throws(ArchiveFailure) {
                while let (bytes, write) = try await next() {
                    while group.open >= most
                        || (group.open > 0 && group.openBytes + bytes > mostBytes)
                    {
                        if let ended = await tasks.next() { group.ended(try ended.get()) }
                    }
                    group.open += 1
                    group.openBytes += bytes
                    tasks.addTask {
                        do throws(ArchiveFailure) {
                            try await write()
                            return .success(bytes)
                        } catch {
                            return .failure(error)
                        }
                    }
                }
                while let ended = await tasks.next() { group.ended(try ended.get()) }
                return .success(())
            } catch {
                tasks.cancelAll()
                return .failure(error)
            }
        }
        try result.get()
    }

    private mutating func ended(_ bytes: Int) {
        open -= 1
        openBytes -= bytes
    }
}
