import Foundation
import LedgerVerify

/// The test vectors of formats.md, made by an independent program.
enum Vectors {
    struct Event: Decodable, Sendable {
        let sequenceNumber: UInt64
        let eventId: String
        let payloadHex: String
        let vepsSignature: String
        let vepsTimestamp: Int64
        let metadata: [String: String]
        let submitter: String
        let sealedTimestamp: Int64
        let previousHash: String
        let entryHex: String
        let eventHash: String
        let leafHash: String
    }

    struct Trees: Decodable, Sendable {
        struct Tree: Decodable, Sendable {
            let size: UInt64
            let root: String
        }
        struct Inclusion: Decodable, Sendable {
            let index: UInt64
            let size: UInt64
            let path: [String]
        }
        struct Consistency: Decodable, Sendable {
            let from: UInt64
            let to: UInt64
            let path: [String]
        }
        let trees: [Tree]
        let inclusion: [Inclusion]
        let consistency: [Consistency]
    }

    struct Checkpoint: Decodable, Sendable {
        let seedHex: String
        let origin: String
        let size: UInt64
        let verifierKey: String
        let note: String
        let receiptForSequence257: String
    }

    static func events() throws -> [Event] { try decode([Event].self, "events.json") }
    static func trees() throws -> Trees { try decode(Trees.self, "trees.json") }
    static func checkpoint() throws -> Checkpoint { try decode(Checkpoint.self, "checkpoint.json") }

    /// The entries, decoded.
    static func entries() throws -> [SealedEntry] {
        try events().map { try SealedEntry(decoding: unhex($0.entryHex)) }
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value
    {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors/\(name)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .custom { path in
            Key(camelCase(path.last?.stringValue ?? ""))
        }
        return try decoder.decode(Value.self, from: Data(contentsOf: file))
    }

    /// The library's own conversion reads `receipt_for_sequence_257` as another name, and changes the keys of metadata.
    private static func camelCase(_ name: String) -> String {
        let known = [
            "sequence_number", "event_id", "payload_hex", "veps_signature", "veps_timestamp",
            "sealed_timestamp", "previous_hash", "entry_hex", "event_hash", "leaf_hash", "seed_hex",
            "verifier_key", "receipt_for_sequence_257",
        ]
        guard known.contains(name) else { return name }
        let parts = name.split(separator: "_")
        return String(parts[0]) + parts.dropFirst().map { $0.capitalized }.joined()
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

/// The bytes of hexadecimal text.
func unhex(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
        UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
    }
}

/// The hash that 64 digits are.
func hash(_ hex: String) -> LedgerHash { LedgerHash(hex: hex) ?? .zero }

/// The code of the error that a body throws; nil where it throws none.
func code(_ body: () throws(VerificationError) -> Void) -> VerificationError.Code? {
    do throws(VerificationError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}
