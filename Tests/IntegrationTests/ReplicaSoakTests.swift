import EtcdGateway
import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// Replicas are added, removed, rolled, killed and paused under load.
    ///
    /// A short run asserts the promises alone. With `LEDGER_SOAK_SECONDS` changes go on that long,
    /// in random order, and the aims for time are asserted too: `make soak-replicas` does that with
    /// the release build (`LEDGER_SERVICE_BINARY`).
    @Suite("Replicas that come and go", .serialized)
    struct ReplicaSoakTests {
        private static let seconds =
            ProcessInfo.processInfo.environment["LEDGER_SOAK_SECONDS"].flatMap { Int($0) }

        @Test("whatever becomes of replicas, every event is settled, and no promise is broken")
        func comingAndGoing() async throws {
            var random = ReplayableRandom()
            print(random.note)
            try await withCluster { cluster in
                let world = try await World(cluster, isLong: Self.seconds != nil)
                do {
                    try await world.begin()
                    let end = ContinuousClock.now + .seconds(Self.seconds ?? 0)
                    for change in SoakChange.allCases {
                        try await world.make(change, using: &random)
                    }
                    while ContinuousClock.now < end {
                        for change in SoakChange.allCases.shuffled(using: &random)
                        where ContinuousClock.now < end {
                            try await world.make(change, using: &random)
                        }
                    }
                    try await world.finish()
                } catch {
                    let lines = await world.fleet.lastLines
                    await world.end()
                    throw TestFailure("\(random.note): \(error)\n\(lines)")
                }
                await world.end()
            }
        }

        /// The replicas, their callers, and what was done.
        private actor World {
            let fleet: ReplicaFleet
            let log = SubmissionLog()
            private let isLong: Bool
            private let callers: RovingCallers
            private var phases: [SoakPhase] = []
            private let start = ContinuousClock.now
            private let ours: WitnessProcess
            private let theirs: PythonWitness
            private let key: SigningKeyFile
            private var watch: CheckpointWatch?
            private var stored: StoredLedger?

            init(_ cluster: EtcdCluster, isLong: Bool) async throws {
                self.isLong = isLong
                key = try SigningKeyFile(seed: 31)
                ours = try await WitnessProcess(log: key.signer.verifier)
                theirs = try PythonWitness(
                    name: "witness.example/py", seed: 32,
                    logs: [key.signer.verifier.verifierKey])
                let proving = [
                    "LEDGER_SIGNING_KEY": key.path,
                    "LEDGER_WITNESSES": "\(ours.setting),\(theirs.setting)",
                ]
                // The service's own deadlines where a release build is to keep them.
                let contract = ["LEDGER_COMMIT_DEADLINE_MS": "", "LEDGER_RESOLVE_DEADLINE_MS": ""]
                fleet = ReplicaFleet(
                    on: cluster, settings: (isLong ? contract : [:]).merging(proving) { $1 })
                callers = RovingCallers(
                    fleet.rota, log: log, callers: 16, prefix: "soak",
                    deadline: .milliseconds(isLong ? 250 : 1_000))
            }

            func begin() async throws {
                for _ in 1...3 { try await fleet.add() }
                try await fleet.waitUntilSteady()
                try await sealFurther(50)
                _ = await fleet.newHandovers()
                let stored = try StoredLedger(of: try await replica { _ in true }.ledger)
                self.stored = stored
                watch = CheckpointWatch(
                    stored, verifier: key.signer.verifier,
                    witnesses: [
                        ours.verifier, try CosignatureVerifier(parsing: theirs.verifierKey),
                    ])
            }

            /// No witness has ever refused a checkpoint, and no audit has found anything.
            private func expectNoRefusal() async throws {
                for result in ["inconsistent", "other_root", "unknown_log", "refused"] {
                    for name in [ours.verifier.name, "witness.example/py"] {
                        let series =
                            #"ledger_witness_requests_total{witness="\#(name)",result="\#(result)"}"#
                        #expect(try await fleet.total(series) == 0, "\(series)")
                    }
                }
                #expect(try await fleet.total("ledger_findings_total") == 0)
            }

            /// One change in the midst of load, until one replica seals for all again.
            func make(_ change: SoakChange, using random: inout ReplayableRandom) async throws {
                let sealer = try await fleet.waitUntilSteady()
                var phase = SoakPhase(change: change, begin: .now)
                print("\(start.duration(to: .now)) \(change.rawValue)")
                switch change {
                case .nothing:
                    break
                case .scaleUp:
                    for _ in 1...2 { try await fleet.add() }
                case .scaleDown:
                    // Two always stay, or there would be nobody to kill beside the sealer.
                    for _ in 1...2 where await fleet.members.count > 2 {
                        try await terminate(try await anyone(using: &random))
                    }
                case .roll:
                    for replica in await fleet.members {
                        try await fleet.add()
                        try await terminate(replica.number)
                    }
                case .killFollower:
                    try await replace(try await follower(of: sealer, using: &random))
                case .killSealer:
                    phase.sealerLostAt = .now
                    try await replace(sealer.number)
                case .pauseFollower:
                    try await pause(try await follower(of: sealer, using: &random), using: &random)
                case .pauseSealer:
                    phase.sealerLostAt = .now
                    try await pause(sealer.number, using: &random)
                }
                try await sealFurther(isLong ? 600 : 100)
                let next = try await fleet.waitUntilSteady()
                if change == .killSealer { #expect(next.number != sealer.number) }
                try await expectNoRefusal()
                phase.end = .now
                phase.handovers = await fleet.newHandovers()
                phases.append(phase)
            }

            private func terminate(_ number: Int) async throws {
                let status = try await fleet.terminate(number)
                #expect(status == 0, "replica \(number) ended with \(status)")
            }

            /// Kills a replica, and starts another one in its place.
            private func replace(_ number: Int) async throws {
                try await fleet.kill(number)
                try await fleet.add()
                await fleet.forget(number)
            }

            private func pause(
                _ number: Int, using random: inout ReplayableRandom
            ) async throws {
                let longest = isLong ? 5_000 : 1_500
                let length = Duration.milliseconds(Int.random(in: 100...longest, using: &random))
                let replica = try await replica { $0.number == number }
                replica.ledger.process.pause()
                // How long it lasts is what varies here, not a wait for something.
                try await Task.sleep(for: length)
                replica.ledger.process.resume()
            }

            private func anyone(using random: inout ReplayableRandom) async throws -> Int {
                let members = await fleet.members
                return try #require(members.randomElement(using: &random)).number
            }

            private func follower(
                of sealer: ReplicaFleet.Replica, using random: inout ReplayableRandom
            ) async throws -> Int {
                let others = await fleet.members.filter { $0.number != sealer.number }
                return try #require(others.randomElement(using: &random)).number
            }

            private func replica(
                where condition: (ReplicaFleet.Replica) -> Bool
            ) async throws -> ReplicaFleet.Replica {
                try #require(await fleet.members.first(where: condition))
            }

            private func sealFurther(_ count: Int) async throws {
                let before = callers.acknowledgedCount
                try await eventually("\(count) more are sealed") {
                    callers.acknowledgedCount >= before + count
                }
            }

            /// Nothing is open any more, and the ledger holds what was promised.
            func finish() async throws {
                await callers.stop()
                let report = SoakReport(phases: phases, records: log.all)
                print(report.text)
                #expect(log.open.isEmpty, "\(log.open.prefix(3))")
                #expect(report.falseDuplicates == [])
                let members = await fleet.members
                for calls in members.prefix(2).map(\.ledger.calls) {
                    #expect(try await LedgerCheck.contradictions(calls, log) == [])
                }
                for replica in members { #expect(replica.ledger.process.exitStatus == nil) }
                let contradictions = try await watch?.finish()
                #expect(contradictions == [], "\(contradictions ?? [])")
                let counts = try #require(watch?.counts)
                print(
                    "checkpoints seen: \(counts.checkpoints), looks at one cosigned by both: \(counts.cosigned)"
                )
                #expect(counts.checkpoints > 3 && counts.cosigned > 3)
                if isLong { for aim in report.aims { #expect(aim.isMet, "\(aim.text)") } }
            }

            func end() async {
                await callers.stop()
                _ = try? await watch?.finish()
                await stored?.client.shutdown()
                await fleet.end()
            }
        }
    }
}
