import LedgerAPI
import LedgerCore
import LedgerStore
package import LedgerTransparency

/// The ledger as a static log over HTTP (C2SP tlog-tiles; formats.md, "Tiles over HTTP"): everything that the newest
/// published checkpoint covers, and nothing else.
package struct TilesPages: Sendable {
    /// Requests that are worked on at a time, so that whoever asks for tiles leaves room for those who read by gRPC.
    private static let maxActive = 4
    /// Requests that wait for their turn, each for five seconds at most.
    private static let maxWaiting = 1_024
    private static let longestWait = Duration.seconds(5)
    private let tree: TreeReader
    private let checkpoints: CheckpointReader
    private let reader: EventReader
    private let servesEntries: Bool
    private let turns = Places(
        count: maxActive, maxWaiting: maxWaiting, longestWait: longestWait)
    private let bundles = OpenBundles()

    /// What the port for tiles takes, which anybody may reach: connections without a request go soon, and those that do
    /// not read their answer, of 16 MiB at most, as well.
    package static var portLimits: HTTPPort.Limits {
        var limits = HTTPPort.Limits()
        limits.maxConnections = 512
        limits.idleTimeout = .seconds(15)
        limits.answerTimeout = .seconds(30)
        return limits
    }

    /// - Parameter servesEntries: `LEDGER_TILES_ENTRIES`: whether payloads are told to whoever asks.
    package init(
        tree: TreeReader, checkpoints: CheckpointReader, reader: EventReader, servesEntries: Bool
    ) {
        self.tree = tree
        self.checkpoints = checkpoints
        self.reader = reader
        self.servesEntries = servesEntries
    }

    /// The answer to a path of the port that has nothing else.
    package func pageOfOwnPort(_ path: String) async -> Page {
        await page(path) ?? Page(status: 404, line: "not found; there are /checkpoint, /tile/...")
    }

    /// The answer to a path; nil for paths of others.
    package func page(_ path: String) async -> Page? {
        do {
            if path == "/checkpoint" { return try await checkpoint() }
            guard path.hasPrefix("/tile/") else { return nil }
            return try await tile(String(path.dropFirst("/tile/".count)))
        } catch {
            return Self.page(error)
        }
    }

    private func checkpoint() async throws -> Page {
        guard let found = try await checkpoints.newest() else {
            return Page(status: 404, line: "no checkpoint is published yet")
        }
        return Page(
            contentType: Page.text, body: .bytes(found.bytes), caching: .revalidated,
            entityTag: Self.tag(of: found.bytes))
    }

    // MARK: Tiles

    private func tile(_ text: String) async throws -> Page {
        guard let path = TilePath(text) else { return Self.noTile }
        switch path.kind {
        case .hashes(let level):
            let id = TileID(level: level, index: path.index)
            guard let bytes = try await hashes(id, path.width) else { return Self.noTile }
            return Page(
                contentType: Page.octets, body: .bytes(bytes), caching: Self.caching(path),
                entityTag: Self.tag(of: bytes))
        case .entries:
            guard servesEntries else {
                return Page(status: 404, line: "entries are not served here")
            }
            // The leaf hashes name the entries: their tag needs no entry, and they are compared with every one.
            let id = TileID(level: 0, index: path.index)
            guard let leaves = try await hashes(id, path.width) else { return Self.noTile }
            return Page(
                contentType: Page.octets, body: try entries(path, leaves),
                caching: Self.caching(path),
                entityTag: Self.tag(of: leaves))
        }
    }

    /// The hashes of a tile that the newest published checkpoint covers; nil where it has none.
    private func hashes(_ id: TileID, _ width: Int) async throws -> [UInt8]? {
        // Without a turn: who asks for what is not there keeps nobody waiting who asks for what is.
        guard let size = Self.sizeNeeded(id, width),
            try await checkpoints.publishedSize(covering: size) >= size
        else { return nil }
        return try await turns.withPlace(refused: Self.refusal) {
            try await tree.tile(id, width: width, size: size)
        }
    }

    private static func refusal(_ refusal: Places.Refusal) -> any Error { refusal }

    /// The size of the smallest tree whose tile has so many hashes; nil where there can be none.
    static func sizeNeeded(_ id: TileID, _ width: Int) -> UInt64? {
        let (start, isTooFar) = id.index.multipliedReportingOverflow(by: UInt64(TileID.width))
        guard !isTooFar else { return nil }
        let (count, isTooWide) = start.addingReportingOverflow(UInt64(width))
        let shift = UInt64(TileID.height * id.level)
        guard !isTooWide, shift < 64, count <= UInt64.max >> shift else { return nil }
        return count << shift
    }

    private func entries(_ path: TilePath, _ leaves: [UInt8]) throws -> Page.Body {
        let first = SequenceNumber(rawValue: path.index * UInt64(TileID.width) + 1)
        let last = first.advanced(by: UInt64(path.width) - 1)
        guard let bundle = bundles.open(first...last, leaves: leaves, reader) else {
            throw Places.Refusal.tooManyWait
        }
        return .pieces { try await bundle.next() }
    }

    // MARK: Pages

    private static var noTile: Page {
        Page(status: 404, line: "the published checkpoint has no such tile")
    }

    private static func caching(_ path: TilePath) -> Page.Caching {
        path.width == TileID.width ? .forever : .forADay
    }

    private static func tag(of bytes: [UInt8]) -> String {
        String(Digest.sha256(bytes).hex.prefix(32))
    }

    /// What is said where there is no answer; no text of etcd's or of the store's is in it.
    private static func page(_ error: any Error) -> Page {
        let known: LedgerRPCError? =
            switch error {
            case let error as LedgerRPCError: error
            case let error as TreeError: LedgerRPCError(error)
            default: nil
            }
        return switch known?.reason {
        case .corrupt: Page(status: 500, line: "what is stored is damaged")
        case .overloaded: Page(status: 503, line: "too many ask at once", isTemporary: true)
        case nil where error is Places.Refusal:
            Page(status: 503, line: "too many ask at once", isTemporary: true)
        default: Page(status: 503, line: "the ledger cannot be read now", isTemporary: true)
        }
    }
}
