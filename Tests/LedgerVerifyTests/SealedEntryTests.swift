import LedgerVerify
import Testing

@Suite("SealedEntry")
struct SealedEntryTests {
    @Test("every vector is read, and built from its fields again")
    func vectors() throws {
        let events = try Vectors.events()
        #expect(events.count == 300)
        for event in events {
            let bytes = unhex(event.entryHex)
            let entry = try SealedEntry(decoding: bytes)
            #expect(entry.bytes == bytes)
            #expect(entry.hash.hex == event.eventHash)
            #expect(entry.leafHash.hex == event.leafHash)
            #expect(entry.sequenceNumber == event.sequenceNumber)
            #expect(entry.eventID == event.eventId)
            #expect(entry.payload == unhex(event.payloadHex))
            #expect(entry.vepsSignature == event.vepsSignature)
            #expect(entry.vepsTimestamp == event.vepsTimestamp)
            #expect(entry.metadata == event.metadata)
            #expect(entry.submitter == event.submitter)
            #expect(entry.sealedTimestamp == event.sealedTimestamp)
            let built = try SealedEntry(
                sequenceNumber: event.sequenceNumber, eventID: event.eventId,
                payload: unhex(event.payloadHex), vepsSignature: event.vepsSignature,
                vepsTimestamp: event.vepsTimestamp, metadata: event.metadata,
                submitter: event.submitter, sealedTimestamp: event.sealedTimestamp,
                previousHash: hash(event.previousHash))
            #expect(built == entry)
        }
    }

    @Test("an entry that is cut, longer, of another format or not UTF-8 is none")
    func malformed() throws {
        let good = unhex(try Vectors.events()[3].entryHex)
        for count in 0..<good.count {
            #expect(
                code { () throws(VerificationError) in
                    _ = try SealedEntry(decoding: Array(good[..<count]))
                } == .malformedEntry)
        }
        var other = good
        other[3] = UInt8(ascii: "2")
        var notUTF8 = good
        notUTF8[16] = 0xFF
        let huge = [UInt8](repeating: 0, count: 10 << 20)
        for bytes in [good + [0], other, notUTF8, huge, []] {
            #expect(
                code { () throws(VerificationError) in
                    _ = try SealedEntry(decoding: bytes)
                } == .malformedEntry)
        }
    }

    @Test("fields that no sealed event has give no entry", arguments: [0, 1 << 63, UInt64.max])
    func impossible(number: UInt64) {
        #expect(
            code { () throws(VerificationError) in
                _ = try SealedEntry(
                    sequenceNumber: number, eventID: "e", payload: [], vepsSignature: "",
                    vepsTimestamp: 0, metadata: [:], submitter: "", sealedTimestamp: 0,
                    previousHash: .zero)
            } == .malformedEntry)
        #expect(
            code { () throws(VerificationError) in
                _ = try SealedEntry(
                    sequenceNumber: 1, eventID: "e", payload: [UInt8](repeating: 0, count: 70_000),
                    vepsSignature: "", vepsTimestamp: 0, metadata: [:], submitter: "",
                    sealedTimestamp: 0, previousHash: .zero)
            } == .malformedEntry)
    }

    @Test("a bundle is read entry by entry, and one that is cut or too long is none")
    func bundle() throws {
        let entries = try Vectors.events().prefix(3).map { unhex($0.entryHex) }
        let bundle = entries.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 0xFF)] + $0 }
        #expect(try EntryBundle.entries(bundle).map(\.bytes) == entries)
        #expect(try EntryBundle.entries([]).isEmpty)
        for count in [1, bundle.count - 1, entries[0].count + 3] {
            #expect(
                code { () throws(VerificationError) in
                    _ = try EntryBundle.entries(Array(bundle[..<count]))
                } == .malformedEntry)
        }
        let one = [UInt8(entries[0].count >> 8), UInt8(entries[0].count & 0xFF)] + entries[0]
        let full = Array(repeatElement(one, count: 256).joined())
        #expect(try EntryBundle.entries(full).count == 256)
        #expect(
            code { () throws(VerificationError) in
                _ = try EntryBundle.entries(full + one)
            } == .malformedEntry)
    }
}
