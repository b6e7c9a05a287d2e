import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// What keeps the service from starting, or from going on.
    @Suite("Starting", .serialized)
    struct StartingTests {
        /// Somebody writes another format: at once nothing is sealed any more, reads go on, and the next start fails.
        private func expectStop(
            _ ledger: LedgerFixture, _ stored: StoredLedger, format: String, counter: [UInt8]?
        ) async throws {
            try await stored.put(stored.keys.format, Array(format.utf8))
            // The very next transaction: nobody has read the format since.
            let refused = await ledger.calls.submit(.sample("refused"))
            guard case .notSealed(.unavailable, "NOT_SEALED") = refused else {
                throw TestFailure("submitted to a ledger of format \(format): \(refused)")
            }
            #expect(try await stored.value(stored.keys.counter) == counter)
            try await eventually("HealthCheck says READ_ONLY") {
                try await ledger.calls.healthCheck().status == "READ_ONLY"
            }
            #expect(try await ledger.calls.servingStatus("ledger.ImmutableLedger") == .notServing)
            #expect(try await ledger.calls.servingStatus("") == .serving)
            let admin = try await ledger.process.adminPort()
            let ready = try await LoopbackHTTP.get(port: admin, path: "/readyz")
            #expect(ready?.body.contains("format \"\(format)\"") ?? false)
            let said = ledger.process.log.split(separator: "\n")
                .filter { $0.contains("sealing has stopped") && $0.contains("CRITICAL") }
            #expect(said.count == 1, "\(said)")
            #expect(ledger.process.exitStatus == nil)

            let next = try LedgerProcess(on: ledger.cluster, settings: ledger.settings)
            #expect(try await next.waitForEnd() != 0)
            #expect(next.log.contains("format"))
            #expect(try await stored.value(stored.keys.counter) == counter)
        }

        @Test(
            "formats.md: a running service stops sealing when somebody writes another format, reads go on, and it does not start again",
            arguments: ["3", "x"])
        func otherFormat(format: String) async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    #expect(await ledger.calls.submit(.sample("one")).isSealed)
                    #expect(try await stored.value(stored.keys.format) == Array("1".utf8))
                    try await expectStop(
                        ledger, stored, format: format, counter: Array("1".utf8))
                    #expect(try await ledger.calls.event(1).eventID == "one")
                }
            }
        }

        @Test("formats.md: nor does it seal the first event of a ledger with another format")
        func otherFormatBeforeTheFirstEvent() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await expectStop(ledger, stored, format: "3", counter: nil)
                    #expect(try await stored.blocks().isEmpty)
                }
            }
        }

        private static let wrongSettings: [(variable: String, value: String)] = [
            ("LEDGER_PORT", "70000"), ("LEDGER_PORT", "grpc"), ("LEDGER_COMMIT_DEADLINE_MS", "0"),
            ("LEDGER_RESOLVE_DEADLINE_MS", "1"), ("LEDGER_MAX_BATCH_EVENTS", "1025"),
            ("LEDGER_ORIGIN", "with space"), ("LEDGER_TLS_CERT", "/does/not/exist.pem"),
            ("LEDGER_ALLOWED_SUBMITTERS", "somebody"), ("LEDGER_VEPS_PUBLIC_KEYS", "/no/key.pem"),
            ("ETCD_ENDPOINTS", "ftp://127.0.0.1:1"), ("ETCD_CA_CERT", "/does/not/exist.pem"),
            ("ETCD_MAX_CONNECTIONS", "-1"), ("LOG_FORMAT", "yaml"), ("LOG_LEVEL", "loud"),
        ]

        @Test("a wrong setting ends the start with one line that names it")
        func wrongSettings() async throws {
            let folder = FileManager.default.temporaryDirectory
                .appending(path: "ledger-settings-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            for (variable, value) in Self.wrongSettings {
                let process = try LedgerProcess(in: folder, settings: [variable: value])
                let status = try await process.waitForEnd()
                let lines = process.log.split(separator: "\n")
                #expect(status != 0, "\(variable)=\(value)")
                #expect(lines.count == 1, "\(variable)=\(value): \(process.log)")
                #expect(process.log.contains(variable), "\(variable)=\(value): \(process.log)")
                #expect(process.log.contains(value), "\(variable)=\(value): \(process.log)")
            }
            let secret = try LedgerProcess(
                in: folder,
                settings: ["LEDGER_INTERNAL_TOKEN": "secret\u{7}word"])
            #expect(try await secret.waitForEnd() != 0)
            #expect(secret.log.contains("LEDGER_INTERNAL_TOKEN"))
            #expect(!secret.log.contains("word"))
        }

        @Test("a port that is taken ends the service with an error")
        func takenPort() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                let port = try await ledger.process.port()
                let second = try LedgerProcess(
                    on: cluster,
                    settings: ledger.settings.merging(["LEDGER_PORT": "\(port)"]) { $1 })
                #expect(try await second.waitForEnd() != 0)
                #expect(await ledger.calls.submit(.sample("one")).isSealed)
            }
        }
    }
}
