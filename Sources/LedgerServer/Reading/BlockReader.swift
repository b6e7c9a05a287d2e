import GRPCCore
import LedgerAPI
package import LedgerCore
import LedgerReplica
package import LedgerStore

/// Reads sealed events by number: from memory, then from the member's own copy, and only when that finds nothing from
/// the quorum (design.md, "Reading"). Equal reads at the same time are one.
package final class BlockReader: SealedBlocks {
    private let store: LedgerStore
    private let cache: ReadCache<SequenceNumber, [SealedEntry]>
    /// The newest blocks, which whoever seals or follows puts there.
    package let newest: NewestBlocks
    private let reading = SharedReads<SequenceNumber, [SealedEntry], LedgerRPCError>(
        cancelled: .readCancelled)

    /// - Parameter cacheBytes: the bytes of stored blocks that are kept at most (`LEDGER_CACHE_BYTES`).
    package init(store: LedgerStore, cacheBytes: Int, newest: NewestBlocks) {
        self.store = store
        self.newest = newest
        cache = ReadCache(maxBytes: cacheBytes)
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
        if let events = try kept(first) { return events }
        return try await reading.value(for: first) { [self] in await read(first) }
    }

    package func keep(first: SequenceNumber, bytes: [UInt8], events: Int) {
        newest.keep(first: first, bytes: bytes, events: events)
    }

    /// The events of a block that is in memory; nil where it is not.
    func kept(_ first: SequenceNumber) throws(LedgerRPCError) -> [SealedEntry]? {
        if let events = cache.value(for: first) { return events }
        return try newest.events(of: first)
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

    private func read(_ first: SequenceNumber) async -> Result<[SealedEntry], LedgerRPCError> {
        do throws(LedgerRPCError) {
            let bytes = try await stored(first)
            let events = try Self.decode(bytes, first: first)
            cache.insert(events, for: first, bytes: bytes.count)
            return .success(events)
        } catch {
            return .failure(error)
        }
    }

    private func stored(_ first: SequenceNumber) async throws(LedgerRPCError) -> [UInt8] {
        do throws(LedgerStoreError) {
            do throws(LedgerStoreError) {
                let own = try await store.block(first: first, serializable: true)
                if let own { return own }
            } catch {
                if error.isFinal { throw error }
            }
            let certain = try await store.block(first: first)
            guard let certain else {
                throw LedgerStoreError(.inconsistent(.missingBlock(first)))
            }
            return certain
        } catch {
            throw error.asRPCError
        }
    }
}

extension LedgerStoreError {
    /// What a caller of a read is told.
    var asRPCError: LedgerRPCError {
        switch code {
        case .unavailable where isBusy:
            LedgerRPCError(
                .resourceExhausted, .overloaded, "too many reads are under way; try again later",
                retryDelay: .seconds(1))
        case .unavailable:
            .unavailable(
                "etcd did not answer; try again", retryAfter: .milliseconds(100))
        case .inconsistent(let reason): .corrupt("\(reason)")
        case .unsupportedFormat, .archive:
            .unavailable("\(self)", retryAfter: .milliseconds(500))
        }
    }
}
