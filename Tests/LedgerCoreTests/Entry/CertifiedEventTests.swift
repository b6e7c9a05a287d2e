import LedgerCore
import Testing

@Suite("CertifiedEvent")
struct CertifiedEventTests {
    private func make(
        eventID: [UInt8] = Array("e".utf8), payload: [UInt8] = [], signature: [UInt8] = [],
        metadata: [MetadataEntry] = [], submitter: [UInt8] = [], maxPayloadBytes: Int = 49_152
    ) throws(InvalidEvent) -> CertifiedEvent {
        try CertifiedEvent(
            eventID: eventID, payload: payload, vepsSignature: signature, vepsTimestamp: 0,
            metadata: metadata, submitter: submitter,
            limits: EventLimits(maxPayloadBytes: maxPayloadBytes))
    }

    private func violatedFields(_ make: () throws -> CertifiedEvent) -> [String] {
        do {
            _ = try make()
            return []
        } catch {
            return (error as? InvalidEvent)?.violations.map(\.field) ?? ["\(error)"]
        }
    }

    private func bytes(_ count: Int) -> [UInt8] {
        Array(repeating: UInt8(ascii: "a"), count: count)
    }

    private func entry(_ key: [UInt8], _ value: [UInt8] = []) -> MetadataEntry {
        MetadataEntry(key: key, value: value)
    }

    @Test("fields at their bounds are accepted")
    func atTheBounds() {
        let keys = (0..<32).map { entry(Array("key \($0)".utf8)) }
        #expect(violatedFields { try make(eventID: bytes(1)) } == [])
        #expect(violatedFields { try make(eventID: bytes(256)) } == [])
        #expect(violatedFields { try make(payload: bytes(49_152)) } == [])
        #expect(violatedFields { try make(signature: bytes(1024)) } == [])
        #expect(violatedFields { try make(metadata: keys) } == [])
        #expect(
            violatedFields {
                try make(metadata: [entry(bytes(128), bytes(1024))])
            } == [])
    }

    @Test("each field beyond its bounds is named, and the bound with it")
    func beyondTheBounds() {
        func expectField(_ field: String, _ make: () throws -> CertifiedEvent) {
            #expect(violatedFields(make) == [field])
        }
        expectField("event_id") { try make(eventID: []) }
        expectField("event_id") { try make(eventID: bytes(257)) }
        expectField("event_id") { try make(eventID: [0xFF]) }
        expectField("payload") { try make(payload: bytes(49_153)) }
        expectField("veps_signature") {
            try make(signature: bytes(1025))
        }
        expectField("veps_signature") { try make(signature: [0xC3]) }
        expectField("submitter") { try make(submitter: [0x80]) }
        expectField("metadata") {
            try make(metadata: (0..<33).map { entry(Array("\($0)".utf8)) })
        }
        expectField("metadata") { try make(metadata: [entry([])]) }
        expectField("metadata") {
            try make(metadata: [entry(bytes(129))])
        }
        expectField("metadata") { try make(metadata: [entry([0x1F])]) }
        expectField("metadata") { try make(metadata: [entry([0x7F])]) }
        expectField("metadata") {
            try make(metadata: [entry(Array("é".utf8))])
        }
        expectField("metadata") {
            try make(metadata: [entry(bytes(1), bytes(1025))])
        }
        expectField("metadata") {
            try make(metadata: [entry(bytes(1), [0xFF])])
        }
    }

    @Test("all violations are reported, without the fields' bytes")
    func allAtOnce() {
        let error = #expect(throws: InvalidEvent.self) {
            try make(
                eventID: [], payload: Array("secret".utf8), signature: bytes(1025),
                metadata: [entry([], [0xFF])], submitter: [0xFF], maxPayloadBytes: 5)
        }
        #expect(
            error?.violations.map(\.field)
                == ["event_id", "payload", "veps_signature", "metadata", "metadata", "submitter"])
        #expect(error?.description.contains("secret") == false)
        #expect(error?.description.contains("at most 5 bytes") == true)
    }

    @Test("an entry of more than 65,535 bytes is refused although each field fits")
    func wholeEntry() {
        let overhead = 4 + 8 + 4 + 1 + 4 + 4 + 4 + 8 + 4 + 4 + 8 + 32
        let fits = 65_535 - overhead
        #expect(
            violatedFields {
                try make(payload: bytes(fits), maxPayloadBytes: 65_535)
            } == [])
        #expect(
            violatedFields {
                try make(payload: bytes(fits + 1), maxPayloadBytes: 65_535)
            } == ["payload"])
    }

    @Test("metadata is sorted by the key's bytes, and of equal keys the last one counts")
    func canonicalMetadata() throws {
        let event = try make(
            metadata: [
                entry(Array("b".utf8), [1]), entry(Array("a".utf8), [2]),
                entry(Array("B".utf8), [3]), entry(Array("a".utf8), [4]),
                entry(Array("ab".utf8), [5]),
            ])
        #expect(
            event.metadata.map { String(decoding: $0.key, as: UTF8.self) } == ["B", "a", "ab", "b"])
        #expect(event.metadata.map(\.value) == [[3], [4], [5], [1]])
        // A key sent 40 times is one entry, as in a protobuf map.
        #expect(try make(metadata: (0..<40).map { entry(bytes(1), [$0]) }).metadata.count == 1)
    }

    @Test("content is payload, VEPS timestamp and metadata, as bytes; what differs is named")
    func difference() throws {
        let event = try sampleEvent("e", metadata: ["k": "v"])
        let retry = try sampleEvent("e", signature: "other", metadata: ["k": "v"], submitter: "s")
        #expect(retry.difference(from: event).names == [])
        let payload = try sampleEvent("e", payload: [1], metadata: ["k": "v"])
        #expect(payload.difference(from: event).names == ["payload"])
        let timestamp = try sampleEvent("e", timestamp: 1, metadata: ["k": "v"])
        #expect(timestamp.difference(from: event).names == ["veps_timestamp"])
        let metadata = try sampleEvent("e", metadata: ["k": "w"])
        #expect(metadata.difference(from: event).names == ["metadata"])
        let all = try sampleEvent("e", payload: [1], timestamp: 1)
        #expect(all.difference(from: event).names == ["payload", "veps_timestamp", "metadata"])
        #expect(all.difference(from: event) == .known)
    }

    @Test("ids that differ only in Unicode normalisation are two ids")
    func normalisation() throws {
        let composed = try EventID(validating: Array("\u{E9}".utf8))
        let decomposed = try EventID(validating: Array("e\u{301}".utf8))
        #expect(composed.description == decomposed.description)
        #expect(composed != decomposed)
        #expect(Fingerprint(of: composed) != Fingerprint(of: decomposed))
    }
}
