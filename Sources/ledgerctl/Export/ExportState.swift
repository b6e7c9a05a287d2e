internal import Foundation

/// What an export's folder says of itself, so that the next run goes on with it: `.ledger-export.json`.
///
/// It follows from the ledger and from how far the export is alone: an export that was interrupted leaves the same in the
/// end as one that was not.
struct ExportState: Codable, Equatable {
    static let name = ".ledger-export.json"

    /// The longest that is read, in bytes.
    static let limit = 64 * 1024

    /// How far a file of lines is.
    struct Lines: Codable, Equatable {
        /// The number that comes next.
        var next: UInt64
        /// The bytes of the lines that are safely written.
        var byteCount: UInt64
        /// Their SHA-256.
        var sha256: String
        /// The hash of the last event in them; empty before the first.
        var lastHash: String
        /// When that was sealed.
        var lastTimestamp: Int64?
    }

    var version = 1
    let format: ExportFormat
    /// The first number.
    let first: UInt64
    /// The hash of the event with that number: which ledger this is.
    let firstEventHash: String
    /// For tiles: the ledger's name, and the sizes of which there may be partial tiles.
    var origin: String?
    var sizes: [UInt64]?
    var lines: Lines?

    /// Reads the state of a folder; nil where there is none and the folder is empty.
    ///
    /// - Throws: `FileError` where the folder is no export, but not empty.
    static func read(_ folder: OutputFolder) throws(FileError) -> ExportState? {
        guard let bytes = try folder.read(name, limit: limit) else {
            guard try folder.isEmpty() else {
                throw FileError(
                    "\(folder.path) is not empty, and no export: give --out an empty folder")
            }
            return nil
        }
        guard let state = try? JSONDecoder().decode(ExportState.self, from: Data(bytes)),
            state.version == 1, state.lines?.next != 0
        else {
            throw FileError("\(folder.path(name)) is not what this program writes")
        }
        return state
    }

    /// Writes the state.
    func write(_ folder: OutputFolder) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try folder.write(Self.name, Array(try encoder.encode(self)) + [UInt8(ascii: "\n")])
    }
}

/// How events are exported.
enum ExportFormat: String, Codable, CaseIterable, Sendable {
    /// A C2SP tlog-tiles folder.
    case tiles
    /// JSON Lines.
    case jsonl
    /// RFC 4180.
    case csv
}
