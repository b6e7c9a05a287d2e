import Foundation
import LedgerClient
import Testing

@testable import ledgerctl

@Suite("What ledgerctl writes")
struct OutputTests {
    private let event = SealedEvent(
        sequenceNumber: 7, eventID: "evt", payload: Array("hello".utf8), eventHash: "aa",
        previousHash: "bb", sealedTimestamp: 1_702_234_567_910, commitLatencyMilliseconds: 4,
        vepsSignature: "sig", vepsTimestamp: 1_702_234_567_891, metadata: ["someKey": "v"],
        submitter: "spiffe://x")

    @Test("An event as JSON has the API's names, and one line")
    func json() throws {
        let line = try JSONLine.encode(SealedEventJSON(event: event, outcome: "sealed"))
        #expect(
            line == """
                {"commit_latency_ms":4,"event_hash":"aa","event_id":"evt",\
                "metadata":{"someKey":"v"},"outcome":"sealed","payload":"aGVsbG8=",\
                "previous_hash":"bb","sealed_timestamp":1702234567910,"sequence_number":7,\
                "submitter":"spiffe://x","veps_signature":"sig","veps_timestamp":1702234567891}
                """)
    }

    @Test("The largest numbers are written as they are")
    func largeNumbers() throws {
        var large = event
        large.sequenceNumber = .max
        large.vepsTimestamp = .min
        let line = try JSONLine.encode(SealedEventJSON(event: large))
        #expect(line.contains("18446744073709551615"))
        #expect(line.contains("-9223372036854775808"))
    }

    @Test("An event for people has a field a line")
    func details() {
        let text = EventText.details(event)
        #expect(text.contains("number          7\n"))
        #expect(text.contains("payload         \"hello\" (5 bytes)\n"))
        #expect(text.contains("metadata        someKey = v\n"))
        #expect(text.contains("sealed          2023-12-10T18:56:07.910Z\n"))
        #expect(text.contains("commit latency  4 ms\n"))
        #expect(!text.contains("(checked)"))
        #expect(EventText.line(event).hasPrefix("         7  2023-12-10T18:56:07.910Z  evt   "))
    }

    @Test(
        "Text that could steer a terminal is escaped",
        arguments: [
            ("a\u{1B}[2Jb", "a\\u{1B}[2Jb"), ("line\nbreak", "line\\nbreak"),
            ("\u{202E}x", "\\u{202E}x"), ("back\\slash", "back\\\\slash"), ("é 漢 🙂", "é 漢 🙂"),
            ("\u{0}", "\\u{0}"), ("\u{85}", "\\u{85}"), ("\u{2028}", "\\u{2028}"),
        ])
    func escaping(text: String, escaped: String) {
        #expect(Printable.escape(text) == escaped)
    }

    @Test(
        "Payloads are shown as text where they are text",
        arguments: [
            (Array("plain".utf8), "\"plain\""), ([], "(empty)"), ([0, 255], "0x00ff"),
            (Array("two\nlines".utf8), "\"two\\nlines\""), ([0x1B, 0x5B], "0x1b5b"),
            (
                Array(String(repeating: "a", count: 50).utf8),
                "\"" + String(repeating: "a", count: 48) + "\"..."
            ),
            (
                Array(String(repeating: "漢", count: 17).utf8),
                "\"" + String(repeating: "漢", count: 16) + "\"..."
            ),
            (
                Array(("a" + String(repeating: "漢", count: 17)).utf8),
                "\"a" + String(repeating: "漢", count: 15) + "\"..."
            ),
            ([UInt8](repeating: 0, count: 30), "0x" + String(repeating: "00", count: 24) + "..."),
        ] as [([UInt8], String)])
    func preview(payload: [UInt8], shown: String) {
        #expect(Printable.preview(payload) == shown)
    }

    @Test(
        "Timestamps",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (1_702_234_567_891, "2023-12-10T18:56:07.891Z"),
            (Int64.max, "9223372036854775807 ms"), (Int64.min, "-9223372036854775808 ms"),
        ] as [(Int64, String)])
    func timestamps(milliseconds: Int64, text: String) {
        #expect(Printable.timestamp(milliseconds) == text)
    }

    @Test("Errors as JSON say what is sealed")
    func errorJSON() throws {
        let error = LedgerError(
            .invalid(violations: [FieldViolation(field: "event_id", explanation: "empty")]),
            sealed: .no, message: "No", retryAfter: .microseconds(1_500), status: "X")
        #expect(
            try JSONLine.encode(ErrorJSON(error)) == """
                {"error":"invalid","message":"No. The event was not sealed. Correct the event and \
                submit it again.","retry_after_ms":2,"sealed":"no","status":"X",\
                "violations":[{"explanation":"empty","field":"event_id"}]}
                """)
    }

    @Test("A conflict is put in words, with what to do about another time of certification")
    func conflict() throws {
        var error = LedgerError(.conflicting, sealed: .no, message: "Other content")
        #expect(ConflictText.lines(error) == [])
        error.differingFields = ["payload", "veps_timestamp", "later\u{1B}"]
        let lines = ConflictText.lines(error)
        #expect(lines.count == 3)
        #expect(lines[0] == "another payload")
        #expect(lines[1].hasPrefix("certified at another time") && lines[1].contains("--timestamp"))
        #expect(!lines[2].contains("\u{1B}"))
        #expect(
            try JSONLine.encode(ErrorJSON(error)).contains(
                #""differs":["payload","veps_timestamp","later\u001b"]"#))
        error.kind = .overloaded
        #expect(ConflictText.lines(error) == [])
    }

    @Test(
        "Exit codes",
        arguments: [
            (LedgerError.Kind.outcomeUnknown, SealedState.unknown, 4), (.overloaded, .no, 3),
            (.invalid(violations: []), .no, 3), (.conflicting, .no, 5), (.notFound, nil, 6),
            (.corrupt, .unknown, 7), (.corrupt, nil, 7), (.unavailable, .no, 8),
            (.unavailable, nil, 8), (.timedOut, nil, 8), (.cancelled, .unknown, 4),
            (.configuration, nil, 1), (.noSigningKey, nil, 1),
        ] as [(LedgerError.Kind, SealedState?, Int32)])
    func exitCodes(kind: LedgerError.Kind, sealed: SealedState?, code: Int32) {
        #expect(ExitCodes.code(for: LedgerError(kind, sealed: sealed, message: "")) == code)
    }

    @Test("Many events: counts, and the code that asks most urgently for something")
    func tally() throws {
        var tally = SubmitTally()
        func add(_ result: Result<SealedEvent, LedgerError>) {
            tally.add(SubmissionResult(index: 0, eventID: "e", result: result, attempts: 1))
        }
        add(.success(event))
        add(.failure(LedgerError(.duplicate(original: event), sealed: .yes, message: "")))
        #expect(tally.exitCode == 0)
        tally.badLines = 1
        #expect(tally.exitCode == 3)
        add(.failure(LedgerError(.overloaded, sealed: .no, message: "")))
        #expect(tally.exitCode == 3)
        add(.failure(LedgerError(.conflicting, sealed: .no, message: "")))
        #expect(tally.exitCode == 5)
        add(.failure(LedgerError(.outcomeUnknown, sealed: .unknown, message: "")))
        #expect(tally.exitCode == 4)
        #expect(tally.total == 5)
        #expect(
            tally.text == "1 sealed, 1 sealed before, 2 rejected, 1 unknown: run it again with "
                + "--resolve, 1 bad lines")
        #expect(
            try JSONLine.encode(tally)
                == #"{"bad_lines":1,"duplicate":1,"rejected":2,"sealed":1,"unknown":1}"#)
    }

    @Test("The result of an event of a file, as JSON")
    func submissionJSON() throws {
        let result = SubmissionResult(
            index: 0, eventID: "e", result: .success(event), attempts: 2)
        #expect(
            try JSONLine.encode(SubmissionJSON(result, line: 9)) == """
                {"attempts":2,"event_hash":"aa","event_id":"e","line":9,"outcome":"sealed",\
                "sealed":"yes","sequence_number":7}
                """)
    }

    @Test("The progress line")
    func progress() {
        var tally = SubmitTally()
        tally.sealed = 500
        #expect(
            ProgressLine.text(tally, bytesRead: 25, total: 100, seconds: 2)
                == "[#####---------------] 25 %  500 events, 250/s: 500 sealed")
        #expect(
            ProgressLine.text(tally, bytesRead: 25, total: nil, seconds: 0)
                == "500 events, 0/s: 500 sealed")
    }
}
