import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// What keeps the service from starting, or from going on.
    @Suite("Starting", .serialized)
    struct StartingTests {
        @Test("a ledger of another format ends the service, at its start and while it runs")
        func otherFormat() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let ledger = try await LedgerFixture.start(on: cluster)
            try await ledger.use { ledger in
                try await withKeys(of: ledger) { stored in
                    #expect(await ledger.calls.submit(.sample("one")).isSealed)
                    #expect(try await stored.value(stored.keys.format) == Array("1".utf8))
                    try await stored.put(stored.keys.format, Array("2".utf8))
                    let running = try await ledger.process.waitForEnd()
                    #expect(running != 0)
                    #expect(ledger.process.log.contains("format"))

                    let next = try LedgerProcess(on: cluster, settings: ledger.settings)
                    let starting = try await next.waitForEnd()
                    #expect(starting != 0)
                    #expect(next.log.contains("format"))
                    #expect(try await stored.value(stored.keys.counter) == Array("1".utf8))
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
