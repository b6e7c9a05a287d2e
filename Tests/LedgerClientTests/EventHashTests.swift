import Foundation
import LedgerClient
import Testing

@Suite("Recomputing an event's hash from its fields")
struct EventHashTests {
    /// An event of the vectors, which a program that shares no code with this one has made.
    struct Vector: Decodable, Sendable, CustomTestStringConvertible {
        let sequenceNumber: UInt64
        let eventId: String
        let payloadHex: String
        let vepsSignature: String
        let vepsTimestamp: Int64
        let metadata: [String: String]
        let submitter: String
        let sealedTimestamp: Int64
        let previousHash: String
        let eventHash: String

        var testDescription: String { "\(sequenceNumber)" }

        var event: SealedEvent {
            SealedEvent(
                sequenceNumber: sequenceNumber, eventID: eventId, payload: bytes(payloadHex),
                eventHash: eventHash, previousHash: previousHash,
                sealedTimestamp: sealedTimestamp, vepsSignature: vepsSignature,
                vepsTimestamp: vepsTimestamp, metadata: metadata, submitter: submitter)
        }

        private func bytes(_ hex: String) -> [UInt8] {
            let digits = Array(hex)
            return stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0...($0 + 1)]), radix: 16)
            }
        }
    }

    private func vectors() throws -> [SealedEvent] {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors/events.json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode([Vector].self, from: Data(contentsOf: file)).map(\.event)
    }

    @Test("Every vector has the hash that is recomputed, and is linked to the one before it")
    func vectorsAgree() throws {
        let events = try vectors()
        #expect(events.count == 300)
        var link = EventLink(
            first: 1, checker: EventChecker(checksHashes: true, service: "vectors"))
        for event in events {
            #expect(event.recomputedHash == event.eventHash)
            _ = try link.accept(event)
        }
    }

    @Test("A change of any field changes the hash")
    func everyFieldCounts() throws {
        let event = try #require(try vectors().first { $0.metadata.count > 1 })
        let changes: [(String, (inout SealedEvent) -> Void)] = [
            ("sequence_number", { $0.sequenceNumber += 1 }),
            ("event_id", { $0.eventID += "x" }),
            ("payload", { $0.payload.append(0) }),
            ("previous_hash", { $0.previousHash = String(repeating: "1", count: 64) }),
            ("sealed_timestamp", { $0.sealedTimestamp += 1 }),
            ("veps_signature", { $0.vepsSignature += "x" }),
            ("veps_timestamp", { $0.vepsTimestamp += 1 }),
            ("metadata key", { $0.metadata["new"] = "" }),
            ("metadata value", { $0.metadata["zone"] = "us" }),
            ("submitter", { $0.submitter += "x" }),
            ("event_hash", { $0.eventHash = String(repeating: "0", count: 64) }),
        ]
        #expect(event.hasValidHash)
        for (field, change) in changes {
            var changed = event
            change(&changed)
            #expect(!changed.hasValidHash, "\(field)")
        }
    }

    @Test("Fields that no sealed event has are no crash, but no match")
    func impossibleFields() {
        let zeros = String(repeating: "0", count: 64)
        var event = SealedEvent(
            sequenceNumber: 1, eventID: "e", payload: [], eventHash: "", previousHash: zeros,
            sealedTimestamp: 0)
        event.eventHash = event.recomputedHash ?? ""
        #expect(event.hasValidHash)
        for number in [0, UInt64.max, 1 << 63] {
            event.sequenceNumber = number
            #expect(!event.hasValidHash)
        }
        event.sequenceNumber = 1
        event.previousHash = "00"
        #expect(event.recomputedHash == nil)
        event.previousHash = zeros
        event.eventID = ""
        #expect(event.recomputedHash == nil)
        event.eventID = "e"
        event.payload = [UInt8](repeating: 0, count: 70_000)
        #expect(event.recomputedHash == nil)
    }
}
