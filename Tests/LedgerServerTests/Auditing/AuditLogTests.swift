import Foundation
import Glibc
import Logging
import PrometheusExposition
import TestSupport
import Testing

@testable import LedgerServer

@Suite("The audit log")
struct AuditLogTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func entry(_ id: String, _ outcome: SubmissionOutcomeLabel = .sealed) -> AuditEntry {
        AuditEntry(
            date: Date(timeIntervalSince1970: 1_700_000_000.25), submitter: "spiffe://a/b",
            address: "127.0.0.1:1234", eventID: id, outcome: outcome, sequenceNumber: 7,
            latencyMilliseconds: 3)
    }

    private func lines(_ file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { String($0) }
    }

    private func withFolder(_ body: (URL) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "audit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder)
    }

    @Test("a line is a JSON object, with what is known")
    func line() throws {
        #expect(
            entry("one").line
                == #"{"timestamp":"2023-11-14T22:13:20.250Z","outcome":"sealed","event_id":"one","#
                + #""submitter":"spiffe://a/b","address":"127.0.0.1:1234","sequence_number":7,"#
                + #""latency_ms":3}"#)
        let object = try JSONSerialization.jsonObject(with: Data(entry("one").line.utf8))
        let members = try #require(object as? [String: Any])
        #expect(members["event_id"] as? String == "one")
        #expect(members["sequence_number"] as? Int == 7)
        #expect(members["reason"] == nil)
    }

    @Test("nothing that is submitted can begin a line, or make one longer than it may be")
    func hostile() throws {
        let id = "a\n{\"outcome\":\"sealed\"}\u{2028}" + String(repeating: "x", count: 10_000)
        let line = entry(id, .invalid).line
        #expect(!line.contains("\n") && !line.contains("\u{2028}"))
        #expect(line.utf8.count < 4_096)
        _ = try JSONSerialization.jsonObject(with: Data(line.utf8))
    }

    @Test(
        "lines are appended to a file in order, and a file that was moved away is followed by a new one"
    )
    func rotation() async throws {
        try await withFolder { folder in
            let file = folder.appending(path: "audit.jsonl")
            let moved = folder.appending(path: "audit.1")
            let log = try AuditLog(.file(file.path), logger: Self.quiet)
            for number in 0..<100 { log.record(entry("\(number)")) }
            try await eventually("all lines are written") { log.written.total == 100 }
            let before = try lines(file)
            #expect(before.count == 100)
            #expect(before.enumerated().allSatisfy { $1.contains("\"event_id\":\"\($0)\"") })
            try FileManager.default.moveItem(at: file, to: moved)
            // It is looked for once a second.
            try await eventually("the new file has a line") {
                log.record(entry("later"))
                return (try? lines(file))?.isEmpty == false
            }
            #expect(try lines(moved).count >= 100)
            #expect(log.dropped.total == 0)
        }
    }

    @Test("a file is never emptied, and what others append stays")
    func appending() async throws {
        try await withFolder { folder in
            let file = folder.appending(path: "audit.jsonl")
            try Data("before\n".utf8).write(to: file)
            let log = try AuditLog(.file(file.path), logger: Self.quiet)
            log.record(entry("one"))
            try await eventually("the line is written") { log.written.total == 1 }
            #expect(try lines(file).count == 2)
        }
    }

    @Test("who does not read holds nobody up: lines are dropped, counted, and told of once")
    func blocked() async throws {
        try await withFolder { folder in
            let path = folder.appending(path: "pipe").path
            try #require(mkfifo(path, 0o600) == 0)
            // Held open and never read: a pipe takes 64 KiB, then writing blocks.
            let reader = open(path, O_RDWR)
            // Left open: with nobody at its other end, the blocked write would end with a signal.
            _ = reader
            let told = WrittenLines()
            let logger = Logger(label: "test") { label in
                LineLogHandler(label: label, format: .text, level: .info) { line in
                    told.add(line)
                }
            }
            let log = try AuditLog(.file(path), logger: logger, maxQueued: 100)
            let begin = ContinuousClock.now
            for number in 0..<20_000 { log.record(entry("\(number)")) }
            #expect(begin.duration(to: .now) < .seconds(60))
            #expect(log.dropped.total > 10_000)
            let lines = told.all
            #expect(lines.count == 1)
            #expect(lines.first?.contains("lines of the audit log were lost") == true)
        }
    }

    @Test("a full disk loses lines, counted, and the next one begins a line of its own")
    func full() async throws {
        let log = try AuditLog(.file("/dev/full"), logger: Self.quiet)
        log.record(entry("one"))
        try await eventually("the line is lost") { log.dropped.total == 1 }
        #expect(log.written.total == 0)
    }

    @Test("a file that cannot be opened is refused by the setting's name")
    func refused() throws {
        #expect {
            try AuditLog(.file("/does/not/exist/audit"), logger: Self.quiet)
        } throws: { error in
            (error as? ConfigurationError)?.message.contains("LEDGER_AUDIT_LOG") == true
        }
    }

    @Test("values of the setting")
    func values() {
        #expect(AuditDestination("off") == nil)
        #expect(AuditDestination("stdout") == .standardOutput)
        #expect(AuditDestination("STDERR") == .standardError)
        #expect(AuditDestination("/a/b") == .file("/a/b"))
        #expect(AuditDestination("/a/b")?.text == "/a/b")
    }
}
