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
            (
                #"{"event_id":"e","payload":"","veps_timestamp":"1"}"#,
                "veps_timestamp is not a whole"
            ),
            (#"{"event_id":"e","payload":"","veps_timestamp":1.5}"#, "a number that does not fit"),
            (
                #"{"event_id":"e","payload":"","veps_timestamp":1,"metadata":{"a":1}}"#,
                "metadata.a has the wrong type"
            ),
            ("[]", "not a JSON object"), ("nonsense", "not valid JSON"),
            (#"{"event_id":"e","payload":"a","metadata":[]}"#, "metadata has the wrong type"),
            (#"{"event_id":"e""#, "not valid JSON"),
        ])
    func problems(line: String, problem: String) {
        let error = #expect(throws: EventLine.Problem.self) { try parse(line) }
        #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    }

    @Test(
        "What two programs read differently is refused, with the reason",
        arguments: [
            (#"{"event_id":"a","event_id":"b","payload":""}"#, "the name \"event_id\" comes twice"),
            (
                #"{"event_id":"a","payload":"","\u0065vent_id":"b"}"#,
                "the name \"event_id\" comes twice"
            ),
            (
                #"{"event_id":"a","payload":"","metadata":{"k":"1","k":"2"}}"#,
                "byte 50: the name \"k\" comes twice"
            ),
            (
                "{\"event_id\":\"a\",\"payload\":\"\",\"metadata\":{\"é\":\"1\",\"e\u{301}\":\"2\"}}",
                "comes twice"
            ),
            (#"{"event_id":"a","payload":""} {}"#, "something follows the value"),
            (#"{"event_id":"a","payload":""}x"#, "something follows the value"),
            (#"{"event_id":"a","payload":"",}"#, "expected a name after the comma"),
            (#"{"event_id":"a","payload":"","metadata":{"k":"1",}}"#, "expected a name after"),
            (#"{"event_id":"a",,"payload":""}"#, "expected a name after the comma"),
            (#"{"event_id":"a" "payload":""}"#, "expected }"),
            (#"{'event_id':'a'}"#, "expected a name"), ("", "expected a value"),
            (#"{"event_id":"a","payload":"\ud83d"}"#, "half a surrogate pair"),
            (#"{"event_id":"a","payload":"\ude00\ud83d"}"#, "half a surrogate pair"),
            (#"{"event_id":"a","payload":"\u00"}"#, "four hexadecimal digits"),
            (#"{"event_id":"a","payload":"\x41"}"#, "an escape that JSON does not have"),
            ("{\"event_id\":\"a\",\"payload\":\"a\u{9}\"}", "control character"),
            (#"{"event_id":"a","payload":"\#u{0}"}"#, "control character"),
            ("\u{FEFF}{\"event_id\":\"a\",\"payload\":\"\"}", "byte order mark"),
            (#"{"event_id":"a","payload":NaN}"#, "expected a value"),
            (#"{"event_id":"a","payload":Infinity}"#, "expected a value"),
            (#"{"event_id":"a","payload":tru}"#, "expected a value"),
            (#"{"event_id":"a","payload_base64":"AAE"}"#, "base64 of whole bytes"),
            (#"{"event_id":"a","payload_base64":"AAE=="}"#, "base64 of whole bytes"),
            (#"{"event_id":"a","payload_base64":"AAF="}"#, "base64 of whole bytes"),
            (#"{"event_id":"a","payload_base64":"A==="}"#, "base64 of whole bytes"),
            (#"{"event_id":"a","payload_base64":"AA E="}"#, "base64 of whole bytes"),
            (#"{"event_id":"a","payload_base64":"AA-_"}"#, "base64 of whole bytes"),
        ])
    func ambiguous(line: String, problem: String) {
        let error = #expect(throws: EventLine.Problem.self) {
            try parse(line, defaultTimestamp: 1)
        }
        #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    }

    @Test(
        "A timestamp is digits: what else may be an integer, or be rounded, is refused",
        arguments: [
            "1e3", "1.0", "-0", "01", "+1", "1.", "0x10", "9223372036854775808", "1e400",
            "-9223372036854775809", "true", "\"1\"", "NaN",
        ])
    func timestamps(digits: String) {
        #expect(throws: EventLine.Problem.self) {
            try parse(#"{"event_id":"a","payload":"","veps_timestamp":\#(digits)}"#)
        }
    }

    @Test("Numbers beyond 2^53 are read exactly, and escapes are what they stand for")
    func exact() throws {
        let event = try parse(
            #"{"event_id":"\u0041\/\ud83d\ude00","payload":"\u0000","veps_timestamp":9007199254740993}"#
        )
        #expect(event.eventID == "A/😀")
        #expect(event.payload == [0])
        #expect(event.vepsTimestamp == 9_007_199_254_740_993)
    }

    @Test("UTF-16, UTF-32 and bytes that are no UTF-8 are refused")
    func encodings() throws {
        let text = #"{"event_id":"a","payload":"","veps_timestamp":1}"#
        let wide = text.utf8.flatMap { byte -> [UInt8] in [byte, 0] }
        let wider = text.utf8.flatMap { byte -> [UInt8] in [byte, 0, 0, 0] }
        for bytes in [wide, [0xFF, 0xFE] + wide, wider, Array(wide.dropFirst()) + [0]] {
            #expect(throws: EventLine.Problem.self) {
                try EventLine.parse(bytes, defaultTimestamp: nil)
            }
        }
        for bad: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xC3]] {
            let line = Array(#"{"event_id":""#.utf8) + bad + Array(#"","payload":""}"#.utf8)
            let error = #expect(throws: EventLine.Problem.self) {
                try EventLine.parse(line, defaultTimestamp: 1)
            }
            #expect(error?.description.contains("not UTF-8") == true)
        }
    }

    @Test("Null stands for a field that is not there")
    func null() throws {
        let event = try parse(
            #"{"event_id":"e","payload":"x","payload_base64":null,"veps_timestamp":1,"metadata":null}"#
        )
        #expect(event.payload == Array("x".utf8) && event.metadata.isEmpty)
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
