import Foundation
import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Who may call, and how often.
    @Suite("Access", .serialized)
    struct AccessTests {
        /// TLS with client certificates, with the test cluster's own files.
        private func tls(_ folder: URL) -> [String: String] {
            [
                "LEDGER_TLS_CERT": folder.appending(path: "ledger-service.pem").path,
                "LEDGER_TLS_KEY": folder.appending(path: "ledger-service-key.pem").path,
                "LEDGER_TLS_CLIENT_CA": folder.appending(path: "service-ca.pem").path,
            ]
        }

        @Test("who may submit need not be one who may read, and a pattern admits a caller")
        func readers() async throws {
            try await withCluster { cluster in
                let folder = cluster.certificates
                var settings = tls(folder)
                settings["LEDGER_ALLOWED_SUBMITTERS"] = "spiffe://immutable-ledger.local/*"
                settings["LEDGER_ALLOWED_READERS"] = "auditor,spiffe://immutable-ledger.local/*/x"
                try await withLedger(on: cluster, settings: settings) { ledger in
                    let calls = try await LedgerCalls(
                        port: ledger.process.port(), security: .caller(in: folder))
                    #expect(await calls.submit(.sample("a")).isSealed)
                    let error = await #expect(throws: CallFailure.self) {
                        try await calls.event(1)
                    }
                    #expect(error?.code == .permissionDenied)
                    #expect(error?.reason == "NOT_ALLOWED")
                    await calls.close()
                }
                settings["LEDGER_ALLOWED_READERS"] = "spiffe://immutable-ledger.local/*"
                settings["LEDGER_ALLOWED_SUBMITTERS"] = "somebody-else"
                try await withLedger(on: cluster, settings: settings) { ledger in
                    let calls = try await LedgerCalls(
                        port: ledger.process.port(), security: .caller(in: folder))
                    #expect(try await calls.event(1).eventID == "a")
                    guard
                        case .notSealed(.permissionDenied, "NOT_ALLOWED") = await calls.submit(
                            .sample("b"))
                    else { throw TestFailure("a stranger's event was taken") }
                    await calls.close()
                }
            }
        }

        @Test(
            "beyond a rate events are refused, a stream's one by one; in time all of them come through",
            arguments: ["on", "off"])
        func rates(direct: String) async throws {
            try await withCluster { cluster in
                let settings = [
                    "LEDGER_RATE_LIMIT_PER_SUBMITTER": "20/10", "LEDGER_DIRECT_SUBMIT": direct,
                ]
                try await withLedger(on: cluster, settings: settings) { ledger in
                    let calls = try await LedgerCalls(ledger.process)
                    let events = (0..<40).map { Ledger_CertifiedEvent.sample("\(direct)-\($0)") }
                    let answers = try await calls.submitStream(events)
                    let refused = answers.filter { answer in
                        if case .notSealed(.resourceExhausted, "OVERLOADED") = answer {
                            true
                        } else {
                            false
                        }
                    }
                    #expect(answers.count { $0.isSealed } >= 10)
                    #expect(!refused.isEmpty)
                    #expect(answers.count { $0.isSealed } + refused.count == events.count)
                    for event in events {
                        let answer = try await calls.settle(event)
                        #expect(answer.event != nil, "\(answer)")
                    }
                    await calls.close()
                }
            }
        }
    }
}
