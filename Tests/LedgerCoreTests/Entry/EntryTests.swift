import LedgerCore
import TestSupport
import Testing

@Suite("Entry")
struct EntryTests {
    @Test("every event of the vectors encodes to its entry and hashes")
    func vectorsEncode() throws {
        for event in try Vectors.events() {
            let template = EntryTemplate(try event.certified())
            let bytes = template.bytes(
                sequenceNumber: SequenceNumber(event.sequenceNumber),
                sealedTimestamp: event.sealedTimestamp,
                previousHash: try #require(Digest(hex: event.previousHash)))
            #expect(Hex.encode(bytes) == event.entryHex)
            #expect(bytes.count == template.byteCount)
            #expect(Digest.sha256(bytes).hex == event.eventHash)
            #expect(MerkleTree.leafHash(of: bytes).hex == event.leafHash)
        }
    }

    @Test("every entry of the vectors decodes to its event and back")
    func vectorsDecode() throws {
        for event in try Vectors.events() {
            let bytes = unhex(event.entryHex)
            let entry = try Entry(decoding: bytes[...])
            #expect(entry.sequenceNumber.rawValue == event.sequenceNumber)
            #expect(entry.event == (try event.certified()))
            #expect(entry.sealedTimestamp == event.sealedTimestamp)
            #expect(entry.previousHash.hex == event.previousHash)
            #expect(entry.encoded() == bytes)
            let view = try EntryView(decoding: bytes[...])
            #expect(view.eventHash.hex == event.eventHash)
            #expect(view.fingerprint.hex == event.fingerprint)
            #expect(view.eventID.description == event.eventId)
        }
    }

    @Test("random events survive encoding and decoding, from any slice")
    func roundTrip() throws {
        try withSeed { generator in
            for _ in 0..<300 {
                let entry = try generator.entry()
                let bytes = entry.encoded()
                #expect(try Entry(decoding: bytes[...]) == entry)
                #expect(
                    try Entry(decoding: ([1, 2, 3] + bytes + [4])[3..<3 + bytes.count]) == entry)
            }
        }
    }

    @Test("a changed entry does not decode, or decodes to bytes that encode the same")
    func mutations() throws {
        try withSeed { generator in
            for _ in 0..<200 {
                let bytes = try generator.entry().encoded()
                for _ in 0..<40 {
                    let changed = generator.mutated(bytes)
                    guard let entry = try? Entry(decoding: changed[...]) else { continue }
                    #expect(entry.encoded() == changed)
                }
            }
        }
    }

    @Test("every prefix and every extension of an entry is refused")
    func wholeOnly() throws {
        let bytes = unhex(try #require(try Vectors.events().dropFirst(3).first).entryHex)
        for count in 0..<bytes.count {
            #expect(throws: FormatError.self) { try Entry(decoding: bytes[..<count]) }
        }
        #expect(throws: FormatError.self) { try Entry(decoding: (bytes + [0])[...]) }
    }

    @Test("an entry with the number 0 or one from 2^63 is refused")
    func numberBounds() throws {
        let template = EntryTemplate(try sampleEvent("e"))
        for number: SequenceNumber in [.zero, .limit, SequenceNumber(.max)] {
            let bytes = template.bytes(
                sequenceNumber: number, sealedTimestamp: 0, previousHash: .zero)
            #expect(throws: FormatError.self) { try Entry(decoding: bytes[...]) }
        }
    }

    @Test("metadata that does not ascend by key is refused")
    func unsortedMetadata() throws {
        let event = try sampleEvent("e", metadata: ["a": "1", "b": "2"])
        var bytes = Entry(
            sequenceNumber: 1, event: event, sealedTimestamp: 0, previousHash: .zero
        ).encoded()
        let a = try #require(bytes.lastIndex(of: UInt8(ascii: "a")))
        let b = try #require(bytes.lastIndex(of: UInt8(ascii: "b")))
        bytes[a] = UInt8(ascii: "b")
        let twice = bytes
        bytes[b] = UInt8(ascii: "a")
        for changed in [twice, bytes] {
            let error = #expect(throws: FormatError.self) { try Entry(decoding: changed[...]) }
            #expect(error?.code == .notCanonical)
        }
    }
}

extension ReplayableRandom {
    /// A random entry.
    mutating func entry() throws(InvalidEvent) -> Entry {
        Entry(
            sequenceNumber: SequenceNumber(UInt64.random(in: 1..<1 << 63, using: &self)),
            event: try event(), sealedTimestamp: Int64(bitPattern: next()),
            previousHash: Digest.sha256(bytes(8...8)))
    }
}
