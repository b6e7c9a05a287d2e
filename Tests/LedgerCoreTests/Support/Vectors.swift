import Foundation
import LedgerCore

/// The test vectors of FORMATS.md, made by an independent program.
enum Vectors {
    struct Event: Decodable {
        let sequence_number: UInt64
        let event_id: String
        let payload_hex: String
        let veps_signature: String
        let veps_timestamp: Int64
        let metadata: [String: String]
        let submitter: String
        let sealed_timestamp: Int64
        let previous_hash: String
        let entry_hex: String
        let event_hash: String
        let leaf_hash: String
        let fingerprint: String
    }

    struct Trees: Decodable {
        struct Tree: Decodable {
            let size: UInt64
            let root: String
            let frontier: [String]
        }
        struct Inclusion: Decodable {
            let index: UInt64
            let size: UInt64
            let path: [String]
        }
        struct Consistency: Decodable {
            let from: UInt64
            let to: UInt64
            let path: [String]
        }
        let trees: [Tree]
        let inclusion: [Inclusion]
        let consistency: [Consistency]
    }

    struct Block: Decodable {
        let key: String
        let value_hex: String
    }

    struct Ids: Decodable {
        let key: String
        let length: Int
        let sha256: String
        let first_16_hex: String
        let bitmap_first_16_hex: String
    }

    struct Checkpoint: Decodable {
        let seed_hex: String
        let public_key_hex: String
        let origin: String
        let size: UInt64
        let verifier_key: String
        let note: String
        let receipt_for_sequence_257: String
    }

    struct VEPSSignature: Decodable {
        let signed_hex: String
        let public_key_hex: String
        let signature_base64: String
    }

    /// The bytes of a file in Tests/Vectors.
    static func bytes(_ name: String) throws -> [UInt8] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Vectors")
        return Array(try Data(contentsOf: folder.appending(path: name)))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(try bytes(name)))
    }

    static func events() throws -> [Event] { try decode([Event].self, "events.json") }

    static func leaves() throws -> [Digest] {
        try events().compactMap { Digest(hex: $0.leaf_hash) }
    }

    /// A head whose JSON is compact, out of the indented file.
    static func compact(_ json: [UInt8]) -> [UInt8] {
        json.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\n") }
    }
}

/// The bytes of hexadecimal text; empty where it is none.
func unhex(_ text: String) -> [UInt8] {
    Hex.decode(Array(text.utf8)[...]) ?? []
}

extension Vectors.Event {
    /// The certified part, made as a submission is.
    func certified() throws(InvalidEvent) -> CertifiedEvent {
        try CertifiedEvent(
            eventID: Array(event_id.utf8),
            payload: unhex(payload_hex),
            vepsSignature: Array(veps_signature.utf8),
            vepsTimestamp: veps_timestamp,
            metadata: metadata.map {
                MetadataEntry(key: Array($0.key.utf8), value: Array($0.value.utf8))
            },
            submitter: Array(submitter.utf8),
            limits: EventLimits())
    }
}
