package import LedgerCore

/// Reads what a replica must know before it may seal, when it starts and when it has fallen behind
/// (design.md, "Starting"; protocol.md 10, 11 and 23).
package struct LedgerLoader: Sendable {
    let store: LedgerStore

    package init(_ store: LedgerStore) {
        self.store = store
    }

    /// Reads the blocks after a number up to an observed head, decoded and hashed.
    ///
    /// - Parameter seen: called with each block that is sound in itself.
    package func blocks(
        after known: SequenceNumber, upTo observation: LedgerObservation,
        seen: (StoredBlock, BlockDigest) -> Void = { _, _ in }
    ) async throws(LedgerStoreError) -> [BlockDigest] {
        var pages = BlockPages(
            store, from: known.next, through: observation.head.sequence)
        var digests: [BlockDigest] = []
        while true {
            let page = try await pages.nextPage()
            if page.isEmpty { return digests }
            for block in page {
                let digest = try digest(block)
                digests.append(digest)
                seen(block, digest)
            }
        }
    }

    /// Reads the ledger up to an observed head.
    ///
    /// What has left etcd comes from the archive, and is believed only where it leads to what etcd has recorded of it:
    /// the ids segments by their digest, blocks and tiles by the head (protocol.md 26). Where it does not, that says
    /// nothing against the ledger: it is trouble with the archive, not an inconsistency.
    ///
    /// - Parameters:
    ///   - known: a state to go on from; nil reads everything.
    ///   - indexSeed: of the id index that is made where everything is read; a random number.
    ///   - progress: called with the number of events that the index covers so far.
    package func load(
        upTo observation: LedgerObservation, from known: LedgerState? = nil,
        indexSeed: UInt64, progress: @Sendable (UInt64) -> Void = { _ in }
    ) async throws(LedgerStoreError) -> LedgerState {
        try await loaded(
            upTo: observation, from: known, indexSeed: indexSeed, progress: progress
        ).state
    }

    /// Goes on from a state that is far behind an observed head.
    ///
    /// - Returns: the state at that head, and the block right after the known one.
    package func load(
        upTo observation: LedgerObservation, after known: LedgerState,
        progress: @Sendable (UInt64) -> Void = { _ in }
    ) async throws(LedgerStoreError) -> (LedgerState, BlockDigest) {
        let first = known.head.sequence.next
        let bytes = try await store.asStored.block(first: first)
        let loaded = try await loaded(
            upTo: observation, from: known, indexSeed: 0, progress: progress)
        let mayBeArchived = first <= loaded.trimmed
        do throws(LedgerStoreError) {
            guard let bytes else { throw .inconsistent(.missingBlock(first)) }
            let block = try digest(StoredBlock(first: first, bytes: bytes))
            // The leaves have led to the head: what has these is the ledger's.
            guard !mayBeArchived || loaded.firstLeaves.starts(with: block.leaves) else {
                throw .inconsistent(.brokenChain(first))
            }
            return (loaded.state, block)
        } catch {
            throw mayBeArchived ? Self.blamingArchive(error) : error
        }
    }

    /// What was loaded.
    private struct Loaded {
        let state: LedgerState
        /// The leaf hashes after the known ones: those of the longest block at least, where there are so many.
        let firstLeaves: [Digest]
        /// The last number that may have left etcd.
        let trimmed: SequenceNumber
    }

    private func loaded(
        upTo observation: LedgerObservation, from known: LedgerState?, indexSeed: UInt64,
        progress: @Sendable (UInt64) -> Void
    ) async throws(LedgerStoreError) -> Loaded {
        let size = observation.head.sequence.rawValue
        var index = known?.index ?? IdIndex(seed: indexSeed, expectedCount: size)
        let trimmed = try await loadSegments(into: &index, size: size, progress: progress)
        // The newest segment's last block can reach beyond the segment: begin with it, not after it.
        let tailStart = try tailStart(in: index, covered: SequenceNumber(index.count))
        let usesArchive =
            tailStart <= trimmed || readsTiles(size: size, known: known?.tiles, below: trimmed)
        do throws(LedgerStoreError) {
            let (state, firstLeaves) = try await loadTail(
                upTo: observation, from: known, &index, tailStart: tailStart, progress: progress)
            return Loaded(state: state, firstLeaves: firstLeaves, trimmed: trimmed)
        } catch {
            throw usesArchive ? Self.blamingArchive(error) : error
        }
    }

    /// Something that the archive has answered does not lead to the head.
    private static func blamingArchive(_ error: LedgerStoreError) -> LedgerStoreError {
        guard case .inconsistent(let reason) = error.code else { return error }
        return .archive(.contradicts("part (\(reason))"))
    }

    /// Reads the blocks from one on, and the tiles of the tree's edge.
    ///
    /// - Returns: the state, and the first leaf hashes after the known ones.
    private func loadTail(
        upTo observation: LedgerObservation, from known: LedgerState?, _ index: inout IdIndex,
        tailStart: SequenceNumber, progress: @Sendable (UInt64) -> Void
    ) async throws(LedgerStoreError) -> (LedgerState, [Digest]) {
        let size = observation.head.sequence.rawValue
        var pages = BlockPages(
            store.asStored, from: tailStart, through: observation.head.sequence)
        var leaves: [Digest] = []
        var firstLeaf = tailStart.rawValue
        var lastEventHash: EventHash?
        var next = tailStart
        let firstLooseLeaf = size / UInt64(TileID.width) * UInt64(TileID.width) + 1
        while true {
            let page = try await pages.nextPage()
            if page.isEmpty { break }
            for stored in page {
                let block = try digest(stored)
                guard block.first == next else { throw .inconsistent(.missingBlock(next)) }
                guard lastEventHash == nil || block.previousHash == lastEventHash else {
                    throw .inconsistent(.brokenChain(block.first))
                }
                try append(block, to: &index)
                leaves += block.leaves
                lastEventHash = block.lastEventHash
                next = block.last.next
            }
            // Only the leaves that no full tile holds are needed.
            let surplus = Int(
                min(UInt64(leaves.count), firstLooseLeaf - min(firstLooseLeaf, firstLeaf)))
            leaves.removeFirst(surplus)
            firstLeaf += UInt64(surplus)
            progress(index.count)
        }
        let (tiles, firstLeaves) = try await loadTiles(
            size: size, from: known?.tiles, tail: leaves)
        do throws(LedgerInconsistency) {
            let state = try LedgerState(
                observation: observation, index: index, tiles: tiles,
                lastEventHash: lastEventHash)
            return (state, firstLeaves)
        } catch {
            throw .inconsistent(error)
        }
    }

    /// Where the block begins that holds the last number that the index covers: it can reach beyond.
    private func tailStart(
        in index: IdIndex, covered: SequenceNumber
    ) throws(LedgerStoreError) -> SequenceNumber {
        if covered == .zero { return .first }
        guard let start = index.blockStart(containing: covered) else {
            throw .inconsistent(
                .malformed("the ids segments show no block that holds number \(covered)"))
        }
        return start
    }

    private func append(
        _ block: BlockDigest, to index: inout IdIndex
    ) throws(LedgerStoreError) {
        guard index.hasRoom(for: block.fingerprints.count) else {
            throw .inconsistent(.malformed(IdIndex.isFull.message))
        }
        for (offset, fingerprint) in block.fingerprints.enumerated()
        where block.first.rawValue + UInt64(offset) > index.count {
            index.append(fingerprint, startsBlock: offset == 0)
        }
    }

    func digest(_ block: StoredBlock) throws(LedgerStoreError) -> BlockDigest {
        do throws(FormatError) {
            return try BlockDigest(first: block.first, bytes: block.bytes)
        } catch {
            throw .inconsistent(
                .malformed("the block at number \(block.first): \(error.message)"))
        }
    }
}
