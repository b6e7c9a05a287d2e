package import LedgerCore
import LedgerReplica
import LedgerStore

/// Reads a range of the ledger for one caller, piece by piece, as that caller takes them.
///
/// It holds one page of stored blocks at most, as far as `ListingMemory` allows, and what it has learned of the blocks'
/// sizes for as long as it lives. At the end of the ledger it reads what all followers share.
package final class EventListing {
    /// The bytes of events that are handed over at a time; one event may have more.
    private static let pieceBytes = 64 << 10
    private let source: Source
    private var next: SequenceNumber
    private var last: SequenceNumber
    /// Where the block begins that holds `next`, once that is known.
    private var blockStart: SequenceNumber?
    /// The block that is being handed over, decoded, where it came with a page.
    private var open: (first: SequenceNumber, events: [SealedEntry])?
    private var page: ArraySlice<StoredBlock> = []
    private var heldBytes = 0
    private var sizer = PageSizer()

    /// What every listing of the replica reads from.
    struct Source: Sendable {
        let replica: Replica
        let pages: PageReader
        let blocks: BlockReader
        let memory: ListingMemory
    }

    init(_ source: Source, _ range: ClosedRange<SequenceNumber>) {
        self.source = source
        next = range.lowerBound
        last = range.upperBound
        source.memory.opened()
    }

    deinit {
        source.memory.giveBack(heldBytes)
        source.memory.closed()
    }

    /// Goes on to a later number once the range is read.
    package func extend(to last: SequenceNumber) {
        self.last = max(self.last, last)
    }

    /// The number of the next event.
    package var position: SequenceNumber { next }

    /// The next events in order; nil at the end of the range.
    ///
    /// - Throws: `CORRUPT` where the next block is not stored, or is not that block; `UNAVAILABLE` and `OVERLOADED`
    ///   where it cannot be read.
    package func nextEvents() async throws -> [SealedEntry]? {
        guard next <= last else { return nil }
        try Task.checkCancellation()
        let start =
            if let known = blockStart ?? source.replica.blockStart(of: next) { known } else {
                try await source.blocks.start(of: next)
            }
        let events = try await events(of: start)
        let offset = Int(start.distance(to: next))
        guard events.indices.contains(offset) else {
            throw LedgerRPCError.corrupt(
                "the block that should hold number \(next) ends before it")
        }
        let piece = Self.piece(of: events, from: offset, atMost: next.distance(to: last))
        next = next.advanced(by: UInt64(piece.count))
        if offset + piece.count == events.count {
            blockStart = next
            closeBlock()
        } else {
            blockStart = start
        }
        return piece
    }

    private static func piece(
        of events: [SealedEntry], from offset: Int, atMost distance: UInt64
    ) -> [SealedEntry] {
        var bytes = 0
        var end = offset
        let bound = min(events.count, offset + Int(clamping: distance) + 1)
        while end < bound, end == offset || bytes < pieceBytes {
            bytes += events[end].entry.event.payload.count + 256
            end += 1
        }
        // A copy of the elements, so that the piece does not keep the whole block.
        return Array(events[offset..<end])
    }

    // MARK: Blocks

    private func events(of start: SequenceNumber) async throws -> [SealedEntry] {
        if let open, open.first == start { return open.events }
        if let events = try source.blocks.kept(start) { return events }
        if page.first?.first != start {
            closePage()
            // Where nothing more may be held, one block is read for one piece of it.
            guard source.memory.take(PageSizer.defaultTarget) else {
                return try await source.blocks.events(of: start)
            }
            heldBytes = PageSizer.defaultTarget
            try await readPage(from: start)
        }
        return try openBlock(start)
    }

    private func readPage(from start: SequenceNumber) async throws {
        let read = try await source.pages.page(from: start, through: last, sizer: sizer)
        sizer = read.sizer
        page = hold(read.blocks)
    }

    private func openBlock(_ start: SequenceNumber) throws -> [SealedEntry] {
        guard let block = page.popFirst(), block.first == start else {
            throw LedgerRPCError.corrupt("the block that should hold number \(next) is missing")
        }
        let events = try BlockReader.decode(block.bytes, first: start)
        open = (start, events)
        return events
    }

    /// Larger blocks than expected must not be held without leave; one of them must be read, though.
    private func hold(_ blocks: [StoredBlock]) -> ArraySlice<StoredBlock> {
        let bytes = blocks.reduce(0) { $0 + $1.bytes.count }
        let further = bytes - heldBytes
        if further <= 0 || source.memory.take(further) {
            if further < 0 { source.memory.giveBack(-further) }
            heldBytes = bytes
            return blocks[...]
        }
        var sum = 0
        let count = blocks.prefix {
            sum += $0.bytes.count
            return sum <= heldBytes
        }.count
        return blocks.prefix(max(1, count))
    }

    private func closeBlock() {
        open = nil
        if page.isEmpty { closePage() }
    }

    private func closePage() {
        page = []
        open = nil
        source.memory.giveBack(heldBytes)
        heldBytes = 0
    }
}
