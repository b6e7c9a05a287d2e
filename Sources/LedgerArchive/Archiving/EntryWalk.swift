import LedgerCore
import LedgerStore

/// Reads sealed entries in order out of etcd, page by page, and groups them as an archive has them.
///
/// In memory are one page of blocks, of at most 9 MiB, and one bundle, of at most 16 MiB.
struct EntryWalk {
    /// What is complete next.
    enum Item {
        case bundle(Bundle)
        case segment(IdSegment)
    }

    /// The entries of one bundle, the last one's as many as there are.
    struct Bundle {
        let index: UInt64
        var bytes: [UInt8] = []
        /// 32 bytes for each entry.
        var leaves: [UInt8] = []
        var width: Int { leaves.count / Digest.byteCount }
    }

    private let size: UInt64
    private var pages: BlockPages
    private var ready: [Item] = []
    private var next: UInt64
    private var bundle: Bundle
    /// The ids segment that is being filled.
    private(set) var segment: IdSegment
    private var isOver = false

    /// - Parameters:
    ///   - from: the size of the log that is there; the first bundle begins at or before it.
    ///   - size: the size that is wanted, above `from`.
    ///   - blockStart: where the block begins that holds a number.
    ///   - segment: what an earlier walk ended with; where it does not end at `from`, the walk begins where the segment
    ///     begins.
    init(
        _ store: LedgerStore, from: UInt64, to size: UInt64, continuing segment: IdSegment?,
        blockStart: (SequenceNumber) -> SequenceNumber?
    ) throws(ArchiveFailure) {
        let bundleWidth = UInt64(TileID.width)
        let segmentWidth = UInt64(IdSegment.width)
        let index = from / bundleWidth
        var start = from / segmentWidth * segmentWidth
        self.segment = IdSegment(number: from / segmentWidth)
        if let segment, segment.number * segmentWidth + UInt64(segment.count) == from {
            self.segment = segment
            start = index * bundleWidth
        }
        guard let block = blockStart(SequenceNumber(rawValue: start + 1)) else {
            throw .ledger(LedgerStoreError(.unavailable))
        }
        self.size = size
        next = block.rawValue
        bundle = Bundle(index: start / bundleWidth)
        pages = BlockPages(store, from: block, through: SequenceNumber(rawValue: size))
    }

    /// The next item in order; nil at the end.
    mutating func next() async throws(ArchiveFailure) -> Item? {
        while ready.isEmpty {
            if isOver { return nil }
            let page: [StoredBlock]
            do throws(LedgerStoreError) {
                page = try await pages.nextPage()
            } catch {
                throw .ledger(error)
            }
            guard !page.isEmpty else {
                throw .ledger(.inconsistent(.missingBlock(SequenceNumber(rawValue: next))))
            }
            for block in page where !isOver { try take(block) }
        }
        return ready.removeFirst()
    }

    private mutating func take(_ block: StoredBlock) throws(ArchiveFailure) {
        guard block.first.rawValue == next else {
            throw .ledger(.inconsistent(.missingBlock(SequenceNumber(rawValue: next))))
        }
        let links: [Block.Link]
        do throws(FormatError) {
            links = try Block.decodeChain(block.bytes, first: block.first)
        } catch {
            throw .contradicted("the block at number \(block.first) is damaged: \(error.message)")
        }
        for (offset, link) in links.enumerated() where !isOver {
            take(link, startsBlock: offset == 0)
            next += 1
        }
    }

    private mutating func take(_ link: Block.Link, startsBlock: Bool) {
        let number = link.entry.sequenceNumber.rawValue
        let covered = segment.number * UInt64(IdSegment.width) + UInt64(segment.count)
        if number == covered + 1 {
            segment.append(link.entry.fingerprint, startsBlock: startsBlock)
        }
        guard number > bundle.index * UInt64(TileID.width) else { return }
        Block.append(link.entry.bytes, to: &bundle.bytes)
        link.leafHash.append(to: &bundle.leaves)
        if number.isMultiple(of: UInt64(TileID.width)) || number == size {
            ready.append(.bundle(bundle))
            bundle = Bundle(index: number / UInt64(TileID.width))
        }
        if segment.isFull, number == covered + 1 {
            ready.append(.segment(segment))
            segment = IdSegment(number: segment.number + 1)
        }
        if number == size { isOver = true }
    }
}
