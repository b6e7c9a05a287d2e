import LedgerClient
import Testing

@testable import ledgerctl

@Suite("Lines of a JSON Lines file")
struct EventLineTests {
    private func parse(
        _ line: String, defaultTimestamp: Int64? = nil
    ) throws(EventLine.Problem) -> CertifiedEvent {
        try EventLine.parse(Array(line.utf8), defaultTimestamp: defaultTimestamp)
    }

    @Test("All fields are read")
    func full() throws {
        let event = try parse(
            """
            {"event_id":"e","payload_base64":"AAE=","veps_signature":"s",\
            "veps_timestamp":1702234567891,"metadata":{"zone":"eu"}}
            """)
        let expected = CertifiedEvent(
            eventID: "e", payload: [0, 1], vepsSignature: "s", vepsTimestamp: 1_702_234_567_891,
            metadata: ["zone": "eu"])
        #expect(event == expected)
    }

    @Test("A payload may be text, and most fields may be missing")
    func minimal() throws {
        let event = try parse(#"{"event_id":"e","payload":"é","veps_timestamp":-1}"#)
        #expect(event.payload == [0xC3, 0xA9])
        #expect(event.vepsTimestamp == -1)
        #expect(event.vepsSignature.isEmpty && event.metadata.isEmpty)
    }

    @Test("The largest numbers are read exactly")
    func largeTimestamps() throws {
        let event = try parse(
            #"{"event_id":"e","payload":"","veps_timestamp":9223372036854775807}"#)
        #expect(event.vepsTimestamp == .max)
    }

    @Test("A timestamp for all lines stands in where a line has none")
    func defaultTimestamp() throws {
        let without = #"{"event_id":"e","payload":""}"#
        #expect(try parse(without, defaultTimestamp: 5).vepsTimestamp == 5)
        let with = #"{"event_id":"e","payload":"","veps_timestamp":6}"#
        #expect(try parse(with, defaultTimestamp: 5).vepsTimestamp == 6)
    }

    @Test(
        "What is wrong with a line is said",
        arguments: [
            (#"{"payload":"","veps_timestamp":1}"#, "event_id is missing"),
            (#"{"event_id":"e","veps_timestamp":1}"#, "payload or payload_base64 is missing"),
            (#"{"event_id":"e","payload":""}"#, "veps_timestamp is missing"),
            (
                #"{"event_id":"e","payload":"","payload_base64":"","veps_timestamp":1}"#,
                "exclude each other"
            ),
            (#"{"event_id":"e","payload_base64":"?","veps_timestamp":1}"#, "not base64"),
            (#"{"event_id":"e","payload":"","timestamp":1}"#, "unknown field \"timestamp\""),
            (#"{"event_id":7,"payload":"","veps_timestamp":1}"#, "event_id has the wrong type"),
            (#"{"event_id":"e","payload":"","veps_timestamp":"1"}"#, "veps_timestamp"),
            (#"{"event_id":"e","payload":"","veps_timestamp":1.5}"#, "a number that does not fit"),
            (
                #"{"event_id":"e","payload":"","veps_timestamp":1,"metadata":{"a":1}}"#,
                "metadata.a has the wrong type"
            ),
            ("[]", "not a JSON object"), ("nonsense", "not valid JSON"),
            (#"{"event_id":"e""#, "not valid JSON"),
        ])
    func problems(line: String, problem: String) {
        let error = #expect(throws: EventLine.Problem.self) { try parse(line) }
        #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    }

    @Test("Chunks are cut into lines wherever they begin and end")
    func splitting() {
        let text = Array("one\r\ntwo\n\nfour".utf8)
        for size in 1...text.count {
            var splitter = LineSplitter()
            var lines: [LineSplitter.Line] = []
            for start in stride(from: 0, to: text.count, by: size) {
                lines += splitter.append(Array(text[start..<min(start + size, text.count)]))
            }
            lines += splitter.finish().map { [$0] } ?? []
            let expected = ["one", "two", "", "four"].map {
                LineSplitter.Line.complete(Array($0.utf8))
            }
            #expect(lines == expected, "chunks of \(size)")
        }
    }

    @Test("A line that is too long is left out, and the next one is read")
    func tooLong() {
        var splitter = LineSplitter()
        let chunk = [UInt8](repeating: 0x61, count: 100_000)
        var lines: [LineSplitter.Line] = []
        for _ in 0..<20 { lines += splitter.append(chunk) }
        lines += splitter.append(Array("\nshort\n".utf8))
        #expect(lines == [.tooLong, .complete(Array("short".utf8))])
        #expect(splitter.finish() == nil)
    }
}
