import LedgerCore
import LedgerStore
import Synchronization

/// Object storage in memory that lies as it is told to: drops, 503 after the write was applied, 404 for what is there,
/// acknowledged writes that keep other bytes or none, and old, truncated and wrong answers.
///
/// `@unchecked Sendable`: one task at a time uses it, as the simulated world whose choices it takes.
final class LyingObjects: @unchecked Sendable {
    struct Failure: Error {}

    private enum WriteLie: CaseIterable {
        case none, refused, appliedWithoutAnswer, acknowledgedAndLost, keptTruncated, keptWrong
    }

    private enum ReadLie: CaseIterable {
        case none, refused, notFound, truncated, wrong, ofAnother
    }

    /// What is really there.
    private(set) var objects: [SimulatedArchive.Name: [UInt8]] = [:]
    private let chooser: any Chooser
    private let oddsAgainstLies: (writing: Int, reading: Int)
    /// Called before every request.
    var before: () async -> Void = {}

    init(chooser: any Chooser, oddsAgainstLies: (writing: Int, reading: Int) = (8, 80)) {
        self.chooser = chooser
        self.oddsAgainstLies = oddsAgainstLies
    }

    /// Somebody removes what should not be there.
    func remove(_ name: SimulatedArchive.Name) { objects[name] = nil }

    /// An object that was kept, and read back, is lost or damaged later.
    func rot(_ name: SimulatedArchive.Name, isLost: Bool) {
        objects[name] = isLost ? nil : objects[name].map { Self.wrong($0) }
    }

    /// Somebody brings an object back.
    func restore(_ name: SimulatedArchive.Name, _ bytes: [UInt8]) { objects[name] = bytes }

    func putIfAbsent(
        _ name: SimulatedArchive.Name, _ bytes: [UInt8]
    ) async throws(Failure) {
        await before()
        let lies = WriteLie.allCases
        let lie = lies[chooser.choose(lies.count, oddsAgainst: oddsAgainstLies.writing)]
        if lie == .refused { throw Failure() }
        if objects[name] == nil {
            switch lie {
            case .none, .refused, .appliedWithoutAnswer: objects[name] = bytes
            case .acknowledgedAndLost: break
            case .keptTruncated: objects[name] = Array(bytes.dropLast())
            case .keptWrong: objects[name] = Self.wrong(bytes)
            }
        }
        if lie == .appliedWithoutAnswer { throw Failure() }
    }

    /// - Returns: nil where it says that there is none.
    func read(_ name: SimulatedArchive.Name) async throws(Failure) -> [UInt8]? {
        await before()
        let lies = ReadLie.allCases
        let found = objects[name]
        switch lies[chooser.choose(lies.count, oddsAgainst: oddsAgainstLies.reading)] {
        case .none: return found
        case .refused: throw Failure()
        case .notFound: return nil
        case .truncated: return found.map { Array($0.dropLast(1 + $0.count / 3)) }
        case .wrong: return found.map { Self.wrong($0) }
        case .ofAnother:
            // Of the same kind, where there is one.
            switch name {
            case .bundle(let index): return objects[.bundle(index ^ 1)]
            case .tile(let id): return objects[.tile(TileID(level: id.level, index: id.index ^ 1))]
            case .segment(let number): return objects[.segment(number ^ 1)]
            }
        }
    }

    private static func wrong(_ bytes: [UInt8]) -> [UInt8] {
        guard !bytes.isEmpty else { return bytes }
        var bytes = bytes
        bytes[bytes.count / 2] ^= 1
        return bytes
    }
}

/// The archive behind them, read with and without a check of what comes.
struct LyingArchive: ArchivedPast {
    let objects: LyingObjects
    /// What is right, as whoever serves reads knows it; nil for who verifies by himself.
    let known: [SimulatedArchive.Name: [UInt8]]?

    private func read(_ name: SimulatedArchive.Name) async throws(LedgerStoreError) -> [UInt8] {
        let found: [UInt8]?
        do throws(LyingObjects.Failure) {
            found = try await objects.read(name)
        } catch {
            throw .archive(.unavailable("503"))
        }
        guard let found else { throw .archive(.unavailable("404")) }
        if let known, known[name] != found { throw .archive(.contradicts("\(name)")) }
        return found
    }

    func bundle(_ index: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8] {
        try await read(.bundle(index))
    }

    func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] { try await read(.tile(id)) }

    func segment(
        _ number: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] { try await read(.segment(number)) }
}
