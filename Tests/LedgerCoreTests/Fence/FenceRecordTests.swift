import LedgerCore
import Testing

@Suite("FenceRecord")
struct FenceRecordTests {
    private let known = OutsideRecord(source: "witness a", size: 9, root: .sha256([1]))
    private let contradicted = OutsideRecord(
        source: "witness b", size: 4, root: nil, isContradicted: true)

    @Test("what is written is read back")
    func roundTrip() throws {
        let states: [FenceRecord.State] = [
            .fenced(reason: "a restored copy"), .accepted(size: 7, root: .sha256([2])),
        ]
        for state in states {
            let record = FenceRecord(state, records: [known, contradicted])
            #expect(try FenceRecord(decodingJSON: record.encodedJSON()) == record)
        }
    }

    @Test("hostile text does not break the JSON, and is bounded")
    func hostileText() throws {
        let text = "\"}\\\u{0}\u{7}é" + String(repeating: "x", count: 5_000)
        let record = FenceRecord(
            .fenced(reason: text), records: [OutsideRecord(source: text, size: 1)])
        let read = try FenceRecord(decodingJSON: record.encodedJSON())
        #expect(read == record)
        #expect(read.records[0].source.utf8.count == OutsideRecord.maxSourceBytes)
        #expect(record.encodedJSON().count < 2_000)
    }

    @Test("only a decision accepts, and only what it names")
    func accepts() {
        let fenced = FenceRecord(.fenced(reason: ""), records: [known])
        #expect(!fenced.accepts(known) && fenced.acceptedRecord == nil)
        let accepted = FenceRecord(.accepted(size: 7, root: .sha256([2])), records: [known])
        #expect(accepted.accepts(known))
        for other in [
            contradicted, OutsideRecord(source: "witness a", size: 10, root: .sha256([1])),
            OutsideRecord(source: "witness a", size: 9, root: .sha256([3])),
            OutsideRecord(source: "witness c", size: 9, root: .sha256([1])),
        ] {
            #expect(!accepted.accepts(other), "\(other)")
        }
        #expect(accepted.acceptedRecord?.size == 7)
        #expect(FenceRecord(.accepted(size: 0, root: .zero), records: []).acceptedRecord == nil)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "{}", #"{"version":2,"state":"fenced","reason":"","records":[]}"#,
            #"{"version":1,"state":"fenced","records":[]}"#,
            #"{"version":1,"state":"open","reason":"","records":[]}"#,
            #"{"version":1,"state":"fenced","reason":"","records":[],"more":1}"#,
            #"{"version":1,"state":"accepted","sequence":1,"records":[]}"#,
            #"{"version":1,"state":"fenced","reason":"","records":[{"size":1}]}"#,
        ])
    func refused(text: String) {
        #expect(throws: FormatError.self) { try FenceRecord(decodingJSON: Array(text.utf8)) }
    }
}
