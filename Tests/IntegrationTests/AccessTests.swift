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

        private func isOverloaded(_ answer: CallAnswer) -> Bool {
            if case .notSealed(.resourceExhausted, "OVERLOADED") = answer { return true }
            return false
        }

        /// A burst of 10 is taken, and in time everything.
        private func checkRates(_ calls: LedgerCalls, prefix: String) async throws {
            var events: [Ledger_CertifiedEvent] = []
            for number in 0..<40 { events.append(.sample("\(prefix)-\(number)")) }
            var sealed = 0
            var refused = 0
            for answer in try await calls.submitStream(events) {
                if answer.isSealed { sealed += 1 }
                if isOverloaded(answer) { refused += 1 }
            }
            #expect(sealed >= 10)
            #expect(refused > 0)
            #expect(sealed + refused == 40)
            for event in events {
                let answer = try await calls.settle(event)
                #expect(answer.event != nil)
            }
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
                    let others = [
                        "LEDGER_ALLOWED_READERS": "spiffe://immutable-ledger.local/*",
                        "LEDGER_ALLOWED_SUBMITTERS": "somebody-else",
                    ]
                    try await ledger.another(others).use { try await checkReader($0, folder) }
                }
            }
        }

        /// One that may read and not submit.
        private func checkReader(_ ledger: LedgerFixture, _ folder: URL) async throws {
            let calls = try await LedgerCalls(
                port: ledger.process.port(), security: .caller(in: folder))
            #expect(try await calls.event(1).eventID == "a")
            guard
                case .notSealed(.permissionDenied, "NOT_ALLOWED") = await calls.submit(
                    .sample("b"))
            else { throw TestFailure("a stranger's event was taken") }
            await calls.close()
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
                    try await checkRates(calls, prefix: direct)
                    await calls.close()
                }
            }
        }
    }
}
