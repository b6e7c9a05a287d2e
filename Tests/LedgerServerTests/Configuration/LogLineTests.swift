import Foundation
import Logging
import Synchronization
import Testing

@testable import LedgerServer

@Suite("Lines of the log")
struct LogLineTests {
    private func line(_ message: String, _ metadata: Logger.Metadata = [:]) -> LogLine {
        LogLine(
            date: Date(timeIntervalSince1970: 1_700_000_000.25), level: .warning, label: "sealing",
            message: message, metadata: metadata)
    }

    @Test("Text has the time, the level, the part, the message and sorted metadata")
    func text() {
        #expect(
            line("lost a race", ["b": "two words", "a": "1", "c": "", "d": "x=y"]).text
                == "2023-11-14T22:13:20.250Z WARNING sealing: lost a race "
                + "a=1 b=\"two words\" c=\"\" d=\"x=y\"")
    }

    @Test("Nothing that is logged can begin a line of its own")
    func injection() {
        let hostile = "a\nb\r\nc\u{2028}d\u{85}e\u{1B}[2Jf"
        let line = line(hostile, ["k\ney": .string(hostile)])
        for text in [line.text, line.json] {
            #expect(
                text.unicodeScalars.allSatisfy {
                    $0.properties.generalCategory != .control && $0 != "\u{2028}"
                })
        }
    }

    @Test("JSON is one object that reads back")
    func json() throws {
        let line = line(
            "quote \" slash \\ tab \t é 😀 \u{0}",
            ["list": ["a", "b"], "map": ["k": "v"], "n": .stringConvertible(7)])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(line.json.utf8)) as? [String: Any])
        #expect(object["timestamp"] as? String == "2023-11-14T22:13:20.250Z")
        #expect(object["level"] as? String == "warning")
        #expect(object["logger"] as? String == "sealing")
        #expect(object["message"] as? String == "quote \" slash \\ tab \t é 😀 \u{0}")
        let metadata = try #require(object["metadata"] as? [String: Any])
        #expect(metadata["list"] as? [String] == ["a", "b"])
        #expect(metadata["map"] as? [String: String] == ["k": "v"])
        #expect(metadata["n"] as? String == "7")
    }

    @Test("Every scalar up to U+2100 survives a JSON string")
    func everyScalar() throws {
        var text = String.UnicodeScalarView()
        for value in UInt32(0)...0x2100 {
            if let scalar = UnicodeScalar(value) { text.append(scalar) }
        }
        let quoted = JSONText.quoted(String(text))
        let read = try JSONSerialization.jsonObject(
            with: Data(quoted.utf8), options: .fragmentsAllowed)
        // A Bool, for a failure would print thousands of bytes; == of String would normalize.
        let isSame = (read as? String)?.utf8.elementsEqual(String(text).utf8) == true
        #expect(isSame)
    }

    @Test("The handler merges metadata, the nearest winning, and keeps to its level")
    func handler() {
        let lines = Mutex<[String]>([])
        var logger = Logger(label: "x") { label in
            LineLogHandler(
                label: label, format: .text, level: .info,
                metadataProvider: Logger.MetadataProvider { ["a": "provider", "b": "provider"] }
            ) { line in lines.withLock { $0.append(line) } }
        }
        logger[metadataKey: "a"] = "logger"
        logger[metadataKey: "c"] = "logger"
        logger.debug("unseen")
        logger.info("seen", metadata: ["c": "call"])
        let written = lines.withLock { $0 }
        #expect(written.count == 1)
        #expect(written.first?.hasSuffix("INFO x: seen a=provider b=provider c=call") == true)
    }
}
