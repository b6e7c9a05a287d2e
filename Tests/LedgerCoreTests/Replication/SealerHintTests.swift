import LedgerCore
import Testing

@Suite("The sealer hint")
struct SealerHintTests {
    private func decode(_ text: String) throws(FormatError) -> SealerHint {
        try SealerHint(decodingJSON: Array(text.utf8))
    }

    @Test("it is encoded as formats.md says")
    func encoding() {
        let hint = SealerHint(address: "10.0.0.7:50052", id: "7f3a")
        #expect(
            String(decoding: hint.encodedJSON(), as: UTF8.self)
                == #"{"address":"10.0.0.7:50052","id":"7f3a"}"#)
    }

    @Test(
        "what is encoded is read again",
        arguments: [("host:1", "a"), ("[::1]:50052", "6b1d7c"), ("", "")])
    func roundTrip(address: String, id: String) throws {
        let hint = SealerHint(address: address, id: id)
        #expect(try SealerHint(decodingJSON: hint.encodedJSON()) == hint)
    }

    @Test("the order of the members and space between them do not matter")
    func otherOrder() throws {
        let hint = try decode(#" { "id" : "a" , "address" : "h:1" } "#)
        #expect(hint == SealerHint(address: "h:1", id: "a"))
    }

    @Test(
        "anything else is an error",
        arguments: [
            "", "{}", "null", "[]", #"{"address":"h:1"}"#, #"{"id":"a"}"#,
            #"{"address":"h:1","id":7}"#, #"{"address":"h:1","id":"a","more":"b"}"#,
            #"{"address":"h:1","id":"a"}x"#, #"{"address":"h:1","id":"a""#, "h:1",
        ])
    func malformed(text: String) {
        #expect(throws: FormatError.self) { try decode(text) }
    }

    @Test("an absent key is a free hint, one that holds nonsense is none")
    func free() {
        #expect(HintReading(hint: nil, revision: 0, readAt: 5, lease: 0).isFree)
        #expect(!HintReading(hint: nil, revision: 4, readAt: 5, lease: 0).isFree)
    }
}
