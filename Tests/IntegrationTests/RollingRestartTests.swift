import GRPCCore
import TestSupport
import Testing

extension Integration {
    /// Replicas are replaced one after another, as a Deployment does it.
    @Suite("Rolling restarts", .serialized)
    struct RollingRestartTests {
        private static let replicas = 3
        private static let rolls = 3

        @Test("three replicas are rolled under load: one that stays gets the hint")
        func rolled() async throws {
            let fleet = ReplicaFleet(on: try await EtcdCluster.shared())
            let log = SubmissionLog()
            do {
                for _ in 1...Self.replicas { try await fleet.add() }
                try await fleet.waitUntilSteady()
                let callers = RovingCallers(
                    fleet.rota, log: log, callers: 6, prefix: "roll", deadline: .seconds(5))
                var changes: [Int] = []
                for _ in 1...Self.rolls { changes.append(try await roll(fleet)) }
                await callers.stop()
                let unavailable = log.count {
                    if case .notSealed(.unavailable, _) = $0 { true } else { false }
                }
                print(
                    "rolled \(Self.rolls) times \(Self.replicas) replicas:",
                    "hand-overs \(changes), answers \(log.answers.count),",
                    "UNAVAILABLE \(unavailable)")
                // One each, and one to spare for a debug build that stands still beside other work, so that another
                // replica takes the hint.
                #expect(changes.reduce(0, +) <= Self.rolls + 1, "\(changes)")
                #expect(unavailable == 0)
                let calls = await fleet.members[0].ledger.calls
                try await log.settleOpen(with: calls)
                #expect(try await LedgerCheck.contradictions(calls, log) == [])
            } catch {
                let lines = await fleet.lastLines
                await fleet.end()
                throw TestFailure("\(error)\n\(lines)")
            }
            await fleet.end()
        }

        /// Replaces every replica: a new one is there before an old one goes, and that one is asked no more before it is
        /// told to stop, as after a `preStop` pause.
        ///
        /// - Returns: how often a sealer had to let the hint go.
        private func roll(_ fleet: ReplicaFleet) async throws -> Int {
            let before = await fleet.hintChanges.givenBack
            // The one that seals goes first: whoever takes over from it may have to go as well.
            let sealer = try await fleet.waitUntilSteady().number
            let old = await fleet.members.map(\.number)
                .sorted { ($0 == sealer ? 0 : 1, $0) < ($1 == sealer ? 0 : 1, $1) }
            for number in old {
                try await fleet.add()
                try await fleet.waitUntilSteady()
                let status = try await fleet.retire(number)
                #expect(status == 0)
                try await fleet.waitUntilSteady()
            }
            return await fleet.hintChanges.givenBack - before
        }
    }
}
