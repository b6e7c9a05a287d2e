import Foundation
import LedgerCore

/// The test vectors of formats.md, made by an independent program.
enum Vectors {
    struct Event: Decodable {
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
        let valueHex: String
    }

    struct Ids: Decodable {
        let key: String
        let length: Int
        let sha256: String
        let first16Hex: String
        let bitmapFirst16Hex: String
    }

    struct Checkpoint: Decodable {
        let seedHex: String
        let publicKeyHex: String
        let origin: String
        let size: UInt64
        let verifierKey: String
        let note: String
        let receiptForSequence257: String
    }

    struct VEPSSignature: Decodable {
        let signedHex: String
        let publicKeyHex: String
        let signatureBase64: String
    }

    /// The bytes of a file in Tests/Vectors.
    static func bytes(_ name: String) throws -> [UInt8] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Vectors")
        return Array(try Data(contentsOf: folder.appending(path: name)))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(try bytes(name)))
    }

    static func events() throws -> [Event] { try decode([Event].self, "events.json") }

    static func leaves() throws -> [Digest] {
        try events().compactMap { Digest(hex: $0.leafHash) }
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
            eventID: Array(eventId.utf8),
            payload: unhex(payloadHex),
            vepsSignature: Array(vepsSignature.utf8),
            vepsTimestamp: vepsTimestamp,
            metadata: metadata.map {
                MetadataEntry(key: Array($0.key.utf8), value: Array($0.value.utf8))
            },
            submitter: Array(submitter.utf8),
            limits: EventLimits())
    }
}
