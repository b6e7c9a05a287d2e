import EtcdGateway
package import LedgerCore
package import LedgerStore
import Synchronization

/// Reads sealed events by number: from the cache, then from the member's own copy, and only when that finds
/// nothing from the quorum (DESIGN.md, "Reading"). Equal reads at the same time are one.
package final class BlockReader: Sendable {
    private typealias Events = Result<[SealedEntry], LedgerRPCError>

    private let store: LedgerStore
    private let cache: BlockCache
    private let reading = Mutex<[SequenceNumber: [CheckedContinuation<Events, Never>]]>([:])

    package init(store: LedgerStore, cacheBytes: Int) {
        self.store = store
        cache = BlockCache(maxBytes: cacheBytes)
    }

    /// The event with a number, in the block that begins at `first`.
    ///
    /// - Throws: `CORRUPT` when what is stored is not that event, `UNAVAILABLE` when etcd does not answer.
    package func event(
        _ number: SequenceNumber, startedBy first: SequenceNumber?
    ) async throws(LedgerRPCError) -> SealedEntry {
        guard let first else { throw .unavailable("number \(number) is not indexed yet") }
        let events = try await events(of: first)
        let offset = Int(first.distance(to: number))
        guard events.indices.contains(offset) else {
            throw .corrupt("the block that should hold number \(number) ends before it")
        }
        return events[offset]
    }

    /// All events of the block that begins at a number.
    package func events(of first: SequenceNumber) async throws(LedgerRPCError) -> [SealedEntry] {
        if let events = cache.events(of: first) { return events }
        let isFirst = reading.withLock { reading in
            if reading[first] != nil { return false }
            reading[first] = []
            return true
        }
        guard isFirst else {
            // The other reader may have been cancelled: its failure is not ours.
            if let events = await join(first) { return events }
            return try await read(first)
        }
        let result: Events
        do throws(LedgerRPCError) {
            result = .success(try await read(first))
        } catch {
            result = .failure(error)
        }
        let others = reading.withLock { $0.removeValue(forKey: first) } ?? []
        for other in others { other.resume(returning: result) }
        return try result.get()
    }

    /// Decodes a stored block and checks the chain within it.
    package static func decode(
        _ bytes: [UInt8], first: SequenceNumber
    ) throws(LedgerRPCError) -> [SealedEntry] {
        do throws(FormatError) {
            return try Block.decodeChain(bytes, first: first).map {
                SealedEntry(entry: Entry($0.entry), eventHash: $0.eventHash)
            }
        } catch {
            throw .corrupt("the stored block at number \(first) is damaged: \(error.message)")
        }
    }

    /// Waits for the reader that is at work on the block; nil when it failed or has just ended.
    private func join(_ first: SequenceNumber) async -> [SealedEntry]? {
        let result = await withCheckedContinuation { continuation in
            let isOver = reading.withLock { reading in
                guard reading[first] != nil else { return true }
                reading[first]?.append(continuation)
                return false
            }
            if isOver { continuation.resume(returning: Events.failure(.unavailable(""))) }
        }
        return (try? result.get()) ?? cache.events(of: first)
    }

    private func read(_ first: SequenceNumber) async throws(LedgerRPCError) -> [SealedEntry] {
        do throws(LedgerStoreError) {
            var bytes: [UInt8]?
            do throws(LedgerStoreError) {
                bytes = try await store.block(first: first, serializable: true, options: .init())
            } catch {
                bytes = nil
            }
            if bytes == nil {
                bytes = try await store.block(first: first, serializable: false, options: .init())
            }
            guard let bytes else {
                throw LedgerStoreError(.inconsistent(.missingBlock(first)))
            }
            let events = try Self.decoded(bytes, first)
            cache.insert(events, of: first, bytes: bytes.count)
            return events
        } catch {
            throw error.asRPCError
        }
    }

    private static func decoded(
        _ bytes: [UInt8], _ first: SequenceNumber
    ) throws(LedgerStoreError) -> [SealedEntry] {
        do throws(LedgerRPCError) {
            return try decode(bytes, first: first)
        } catch {
            throw .inconsistent(.malformed(error.message))
        }
    }
}

extension LedgerStoreError {
    /// What a caller of a read is told.
    var asRPCError: LedgerRPCError {
        switch code {
        case .unavailable:
            .unavailable(
                "etcd did not answer; try again", retryAfter: .milliseconds(100))
        case .inconsistent(let reason): .corrupt("\(reason)")
        case .unsupportedFormat: .unavailable("\(self)", retryAfter: .milliseconds(500))
        }
    }
}
