import LedgerCore
import Testing

@Suite("Head")
struct HeadTests {
    private func vector() throws -> Head {
        try Head(decodingJSON: try Vectors.bytes("head.json"))
    }

    @Test("the head of the vectors decodes, and encodes to its compact bytes")
    func vectorRoundTrip() throws {
        let bytes = try Vectors.bytes("head.json")
        let head = try Head(decodingJSON: bytes)
        #expect(head.sequence == 300)
        #expect(head.encodedJSON() == Vectors.compact(bytes))
        #expect(try Head(decodingJSON: head.encodedJSON()) == head)
        let event = try #require(try Vectors.events().last)
        #expect(head.eventHash.hex == event.eventHash)
        #expect(head.sealedTimestamp == event.sealedTimestamp)
        #expect(head.tree.root == MerkleTree.root(of: try Vectors.leaves()))
    }

    @Test("keys may come in any order with white space between the tokens")
    func anyOrder() throws {
        let hash = String(repeating: "0", count: 64)
        let text = """
             { "tree" : [ "\(hash)" ] ,\t"sealed_timestamp": -5, "event_hash":"\(hash)",
            "sequence":\r1, "version" :1 }\u{20}
            """
        let head = try Head(decodingJSON: Array(text.utf8))
        #expect(head.sequence == 1)
        #expect(head.sealedTimestamp == -5)
    }

    @Test("times at the ends of 64 bits are read, those beyond are refused")
    func times() throws {
        for time in [Int64.min, .max, 0] {
            let head = Head(
                sequence: 300, eventHash: .zero, sealedTimestamp: time, tree: try vector().tree)
            #expect(try Head(decodingJSON: head.encodedJSON()) == head)
        }
        for text in ["9223372036854775808", "-9223372036854775809", "-0", "00", "1.0", "1e3", "+1"]
        {
            let json = String(decoding: try vector().encodedJSON(), as: UTF8.self)
                .replacing("1702234568010", with: text)
            #expect(throws: FormatError.self) { try Head(decodingJSON: Array(json.utf8)) }
        }
    }

    @Test(
        "a head with something unknown, double, missing or not canonical is refused",
        arguments: [
            ("\"version\":1", "\"version\":2"), ("\"version\":1", "\"version\":01"),
            ("\"version\":1,", ""), ("\"version\":1", "\"version\":1,\"version\":1"),
            ("\"version\":1", "\"version\":1,\"x\":1"), ("\"version\"", "\"Version\""),
            ("\"version\":1", "\"version\":\"1\""), ("\"version\"", "\"vers\\u0069on\""),
            ("\"sequence\":300", "\"sequence\":0"), ("\"sequence\":300", "\"sequence\":301"),
            ("\"sequence\":300", "\"sequence\":9223372036854775808"),
            ("\"sequence\":300", "\"sequence\":-1"), ("\"sequence\":300", "\"sequence\":null"),
            ("\"]}", "\"]}}"), ("\"]}", "\"]"), ("\"]}", "\",]}"),
            ("\"]}", "\"]},"), ("{\"", "[{\""), ("\"event_hash\":\"c", "\"event_hash\":\"C"),
            ("\"event_hash\":\"c", "\"event_hash\":\""), (",\"sequence\"", " \"sequence\""),
        ])
    func refused(_ change: (String, String)) throws {
        let json = String(decoding: try vector().encodedJSON(), as: UTF8.self)
        let changed = json.replacing(change.0, with: change.1)
        try #require(changed != json)
        #expect(throws: FormatError.self) { try Head(decodingJSON: Array(changed.utf8)) }
    }

    @Test("a changed head never traps, and what decodes encodes to the same head")
    func mutations() throws {
        let bytes = try vector().encodedJSON()
        withSeed { generator in
            for _ in 0..<20_000 {
                let changed = generator.mutated(bytes)
                guard let head = try? Head(decodingJSON: changed) else { continue }
                #expect((try? Head(decodingJSON: head.encodedJSON())) == head)
            }
        }
    }

    @Test("every prefix of a head is refused")
    func prefixes() throws {
        let bytes = try vector().encodedJSON()
        for count in bytes.indices {
            #expect(throws: FormatError.self) { try Head(decodingJSON: Array(bytes[..<count])) }
        }
    }

    @Test("the head of an empty ledger is what the first event continues")
    func empty() {
        #expect(Head.empty.sequence.next == .first)
        #expect(Head.empty.eventHash == .zero)
        #expect(Head.empty.tree.root == MerkleTree.emptyRoot)
    }
}
