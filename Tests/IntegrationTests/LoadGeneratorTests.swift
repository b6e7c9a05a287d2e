import Foundation
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// `ledgerctl bench`: with the gRPC library and without it, it does and counts the same.
    @Suite("The load generator", .serialized)
    struct LoadGeneratorTests {
        private struct Report: Decodable {
            let generator: String
            let events: Int
            let outcomes: [String: Int]
        }

        private static let loads = [
            "--mode unary --in-flight 8", "--mode stream --in-flight 2 --window 16",
            "--mode open-loop --rate 300",
        ]

        /// However slow the machine is, nothing is late.
        private static let patience = [
            "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
        ]

        /// The report of a run, and how many submissions the service counted by their outcomes meanwhile.
        private func bench(
            _ options: String, _ ledger: LedgerFixture
        ) async throws -> (report: Report, counted: [String: Int]) {
            let before = try await submissions(ledger)
            let port = try await ledger.process.port()
            let line =
                "bench --server 127.0.0.1:\(port) --output json --deadline-ms 20000 \(options)"
            let bench = try ChildProcess(
                LedgerProcess.program("ledgerctl"),
                arguments: line.split(separator: " ").map(String.init), environment: [:],
                in: ledger.cluster.folder,
                log: ledger.cluster.folder.appending(path: "bench-\(UUID().uuidString).log"))
            _ = await bench.waitForEnd()
            let report = try JSONDecoder().decode(Report.self, from: Data(bench.output.utf8))
            let after = try await submissions(ledger)
            return (report, after.merging(before, uniquingKeysWith: -).filter { $0.value > 0 })
        }

        private func submissions(_ ledger: LedgerFixture) async throws -> [String: Int] {
            let name = "ledger_submissions_total{outcome=\""
            return Dictionary(
                uniqueKeysWithValues: try await ledger.process.metrics().compactMap { key, value in
                    guard key.hasPrefix(name) else { return nil }
                    return (String(key.dropFirst(name.count).prefix { $0 != "\"" }), Int(value))
                })
        }

        @Test(
            "every event that the service sealed is counted once, and its hash is right",
            arguments: ["lean", "grpc"], ["", " --check"])
        func sealed(generator: String, check: String) async throws {
            try await withLedger(
                on: try await EtcdCluster.sharedForLedgers(), settings: Self.patience
            ) { ledger in
                for load in Self.loads {
                    let options = "\(load) --generator \(generator)\(check) --warmup 0 --events 100"
                    let (report, counted) = try await bench(options, ledger)
                    #expect(report.generator == generator)
                    #expect(report.outcomes == ["sealed": 100], "\(load)")
                    // What was under way when the hundredth began is sealed as well: how much that is, an open loop
                    // leaves to the machine.
                    #expect(counted.keys.sorted() == ["sealed"], "\(load)")
                    let most = load.contains("open-loop") ? Int.max : 200
                    #expect((100...most).contains(counted["sealed"] ?? 0), "\(load)")
                }
                let head = try await ledger.calls.healthCheck().lastSequenceNumber
                #expect(try await ledger.calls.verify().eventsVerified == head)
            }
        }

        @Test("a refusal is counted by its reason", arguments: ["lean", "grpc"])
        func refused(generator: String) async throws {
            let settings = ["LEDGER_MAX_PAYLOAD_BYTES": "200"]
            try await withLedger(
                on: try await EtcdCluster.sharedForLedgers(), settings: settings
            ) { ledger in
                for load in Self.loads {
                    let options = "\(load) --generator \(generator) --warmup 0 --events 50"
                    let (report, counted) = try await bench(options, ledger)
                    #expect(report.outcomes == ["invalid": 50], "\(load)")
                    #expect(counted.keys.sorted() == ["invalid"], "\(load)")
                }
            }
        }
    }
}
