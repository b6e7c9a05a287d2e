package import LedgerCore
package import LedgerStore

/// What a verifier gets for what it needs.
package enum VerifierAnswer: Sendable {
    case block(StoredBlock)
    case endOfBlocks
    /// nil: it is not stored.
    case tile(TileID, [UInt8]?)
    /// nil: it is not stored.
    case segment(UInt64, [UInt8]?)
}

extension LedgerVerifier {
    package mutating func consume(_ answer: VerifierAnswer) {
        switch answer {
        case .block(let block): consume(block: block.first, value: block.bytes)
        case .endOfBlocks: consumeEndOfBlocks()
        case .tile(let id, let value): consume(tile: id, value: value)
        case .segment(let number, let value): consume(segment: number, value: value)
        }
    }
}

extension LedgerLoader {
    /// Reads the tree below a range from its tiles; nil where they are missing or contradict each other.
    ///
    /// - Parameter size: its leaves, a multiple of a tile's width.
    package func base(size: UInt64) async throws(LedgerStoreError) -> MerkleFrontier? {
        do throws(LedgerStoreError) {
            return try await tileStack(size: size, tail: []).frontier
        } catch {
            if case .inconsistent = error.code { return nil }
            throw error
        }
    }
}

/// Reads what one run of a verifier needs from etcd, never from a cache: pages of blocks and tiles, and a segment at a
/// time. Between two pages others have the processors.
///
/// Nothing is skipped by a read that fails: the same need can be asked for again.
package struct VerifierFeed: Sendable {
    /// The tiles that are kept: those of a page lie in the order in which they are needed.
    private static let mostTiles = 256
    private let store: LedgerStore
    private let longestPause: Duration
    private let blockSizer: PageSizer
    private var tileSizer: PageSizer
    private var through: SequenceNumber
    private var pages: BlockPages?
    private var page: ArraySlice<StoredBlock> = []
    private var tiles: [TileID: [UInt8]] = [:]
    private var readAt = ContinuousClock.now
    /// All pauses between two pages together.
    package private(set) var paused = Duration.zero

    /// - Parameters:
    ///   - through: the verifier's head.
    ///   - pageBytes: about so many bytes are read at a time.
    ///   - longestPause: between two pages; otherwise half the time since the last one.
    package init(
        _ store: LedgerStore, through: SequenceNumber, pageBytes: Int = PageSizer.defaultTarget,
        longestPause: Duration = .milliseconds(50)
    ) {
        self.store = store
        self.longestPause = longestPause
        self.through = through
        blockSizer = PageSizer(target: pageBytes)
        tileSizer = PageSizer(unitBytes: Tile.byteCount, target: pageBytes)
    }

    /// Goes on to a later head.
    package mutating func extend(through head: SequenceNumber) {
        guard head > through else { return }
        through = head
        pages?.extend(through: head)
    }

    /// Reads what is needed, or takes it from the page that was read.
    ///
    /// - Throws: `LedgerStoreError`, and `CancellationError`.
    package mutating func read(_ need: LedgerVerifier.Need) async throws -> VerifierAnswer {
        switch need {
        case .block(let number): try await block(number)
        case .tile(let id): .tile(id, try await tile(id))
        case .segment(let number):
            .segment(
                number,
                try await store.segments(from: number, end: number + 1, limit: 1).first?.bytes)
        case .nothing: preconditionFailure("nothing is needed")
        }
    }

    private mutating func block(_ number: SequenceNumber) async throws -> VerifierAnswer {
        if page.isEmpty {
            try await pause()
            var pages: BlockPages
            if let opened = self.pages {
                pages = opened
            } else {
                // The block that holds the first number can begin before it.
                let start = try await store.newestBlockStart(atOrBelow: number)
                pages = BlockPages(
                    store, from: start ?? .first, through: through, sizer: blockSizer)
            }
            page = try await pages.nextPage()[...]
            self.pages = pages
        }
        return page.popFirst().map { .block($0) } ?? .endOfBlocks
    }

    /// So much that whoever else wants the processors gets a third of one at least.
    private mutating func pause() async throws {
        let worked = readAt.duration(to: .now)
        let began = ContinuousClock.now
        try await Task.sleep(for: min(worked / 2, longestPause))
        readAt = .now
        paused += began.duration(to: readAt)
    }

    private mutating func tile(_ id: TileID) async throws -> [UInt8]? {
        if let value = tiles[id] { return value }
        if tiles.count >= Self.mostTiles { tiles = [:] }
        let found = try await store.tileValues(level: id.level, from: id.index, sizer: &tileSizer)
        for (found, value) in found { tiles[found] = value }
        return tiles[id]
    }
}
