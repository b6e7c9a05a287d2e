import Foundation
import TestSupport
import Testing

extension Integration {
    /// Three replicas of which nothing is asked but to seal.
    @Suite("Steady replicas", .serialized)
    struct SteadyReplicasTests {
        @Test("one of three seals for all: no transaction is lost to another, and the order is one")
        func oneSeals() async throws {
            let fleet = ReplicaFleet(on: try await EtcdCluster.shared())
            do {
                for _ in 1...3 { try await fleet.add() }
                let log = SubmissionLog()
                let calls = await fleet.members.map(\.ledger.calls)
                let load = SubmissionLoad(calls, log: log, callers: 12, prefix: "steady")
                let steady = try await steadyRound(fleet, log)
                await load.stop()
                #expect(steady.lostRaces == 0)
                // Two thirds of the events came to replicas that do not seal.
                #expect(steady.forwarded >= 40)
                try await log.settleOpen(with: calls[0])
                for calls in calls {
                    #expect(try await LedgerCheck.contradictions(calls, log) == [])
                }
            } catch {
                let lines = await fleet.lastLines
                await fleet.end()
                throw TestFailure("\(error)\n\(lines)")
            }
            await fleet.end()
        }

        @Test(
            "the load generator goes on when a server is killed, and counts what was lost",
            arguments: ["unary", "open-loop", "stream"], ["lean", "grpc"])
        func killedBesideLoad(mode: String, generator: String) async throws {
            let cluster = try await EtcdCluster.shared()
            let fleet = ReplicaFleet(on: cluster)
            do {
                for _ in 1...2 { try await fleet.add() }
                let sealer = try await fleet.waitUntilSteady()
                let bench = try await bench(
                    "--mode \(mode) --generator \(generator)", fleet, in: cluster.folder)
                try await eventually("the load runs") {
                    try await fleet.total("ledger_forwarded_events_total") >= 50
                }
                let other = try #require(
                    await fleet.members.first { $0.number != sealer.number })
                try await fleet.kill(other.number)
                #expect(await bench.waitForEnd() == 0, "\(bench.output)")
                let report = try JSONDecoder().decode(
                    BenchOutput.self, from: Data(bench.output.utf8))
                #expect(report.servers == 2)
                #expect(report.outcomes["sealed"] ?? 0 > 50, "\(bench.output)")
                #expect(report.outcomes["connection_lost"] ?? 0 > 0, "\(bench.output)")
                #expect(report.outcomes["unanswered"] == nil, "\(bench.output)")
            } catch {
                await fleet.end()
                throw error
            }
            await fleet.end()
        }

        private struct BenchOutput: Decodable {
            let servers: Int
            let outcomes: [String: Int]
        }

        private func bench(
            _ options: String, _ fleet: ReplicaFleet, in folder: URL
        ) async throws -> ChildProcess {
            var arguments = "bench \(options) --output json --warmup 0 --duration 4".split(
                separator: " ")
            arguments += "--in-flight 4 --window 32 --rate 200 --deadline-ms 3000".split(
                separator: " ")
            for (index, replica) in await fleet.members.enumerated() {
                let port = try await replica.ledger.process.port()
                arguments += [index == 0 ? "--server" : "--also", "127.0.0.1:\(port)"]
            }
            return try ChildProcess(
                LedgerProcess.program("ledgerctl"), arguments: arguments.map(String.init),
                environment: [:], in: folder,
                log: folder.appending(path: "bench-\(UUID().uuidString).log"))
        }

        private struct Round {
            let lostRaces: Int
            let forwarded: Int
        }

        /// What happened while 100 events were sealed and no replica changed its part: beside other
        /// work a debug build may stand still for so long that others take over, which is right.
        private func steadyRound(
            _ fleet: ReplicaFleet, _ log: SubmissionLog
        ) async throws -> Round {
            for _ in 1...60 {
                try await fleet.waitUntilSteady()
                let elections = try await fleet.total("ledger_elections_total")
                // Who changed its part just before it was counted shows here.
                guard try await fleet.steadySealer() != nil else { continue }
                let lostRaces = try await fleet.total("ledger_lost_races_total")
                let forwarded = try await fleet.total("ledger_forwarded_events_total")
                let acknowledged = log.acknowledgedCount
                try await eventually("100 more are sealed") {
                    log.acknowledgedCount >= acknowledged + 100
                }
                let round = Round(
                    lostRaces: try await fleet.total("ledger_lost_races_total") - lostRaces,
                    forwarded: try await fleet.total("ledger_forwarded_events_total") - forwarded)
                guard try await fleet.total("ledger_elections_total") == elections else { continue }
                return round
            }
            throw TestFailure("the replicas never agreed for as long as 100 events")
        }
    }
}
