import EtcdGateway
import Foundation
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Faults in random order, while two services seal the same events.
    @Suite("Chaos", .serialized)
    struct ChaosTests {
        /// What can be done to the cluster, the network and the services.
        private enum Fault: CaseIterable {
            case killMember, pauseMember, loseAnswers, delayAnswers, refuse, cut, killService
        }

        /// More than usual with `LEDGER_TEST_ROUNDS`.
        private static let rounds =
            ProcessInfo.processInfo.environment["LEDGER_TEST_ROUNDS"].flatMap { Int($0) } ?? 6

        @Test("whatever fails, what was acknowledged is sealed once, in one order")
        func randomFaults() async throws {
            var random = ReplayableRandom()
            print(random.note)
            try await withCluster { cluster in
                let world = try await World(cluster: cluster)
                do {
                    for round in 1...Self.rounds {
                        try await world.disturb(round: round, using: &random)
                    }
                    try await world.expectSound()
                } catch {
                    await world.end()
                    throw TestFailure("\(random.note): \(error)\n\(await world.lastLines)")
                }
                await world.end()
            }
        }

        /// Two services, each behind proxies of its own.
        private actor World {
            let cluster: EtcdCluster
            let log = SubmissionLog()
            let begin = ContinuousClock.now
            let proxies: [[FaultProxy]]
            var services: [LedgerFixture] = []

            init(cluster: EtcdCluster) async throws {
                self.cluster = cluster
                proxies = try (0..<2).map { _ in
                    try cluster.endpoints.map { try FaultProxy(to: $0) }
                }
                for service in 0..<2 { services.append(try await start(service)) }
            }

            private func start(_ service: Int) async throws -> LedgerFixture {
                let endpoints = proxies[service].map(\.endpoint.description)
                return try await LedgerFixture.start(
                    on: cluster,
                    settings: [
                        "ETCD_ENDPOINTS": endpoints.joined(separator: ","),
                        "LEDGER_PREFIX": "\(EtcdCluster.ledgers)chaos/",
                        "LEDGER_COMMIT_DEADLINE_MS": "700",
                        "LEDGER_RESOLVE_DEADLINE_MS": "1500",
                    ])
            }

            /// Load, one fault in its midst, and healing.
            func disturb(round: Int, using random: inout ReplayableRandom) async throws {
                let loads = services.map {
                    SubmissionLoad([$0.calls], log: log, callers: 4, prefix: "round-\(round)")
                }
                let fault = Fault.allCases.randomElement(using: &random) ?? .cut
                let service = Int.random(in: 0..<2, using: &random)
                let member = Int.random(in: 0..<3, using: &random)
                let length = Duration.milliseconds(Int.random(in: 50...2_500, using: &random))
                print(
                    "\(begin.duration(to: .now)) round \(round): \(fault), service \(service), "
                        + "member \(member), \(length); acknowledged \(log.acknowledgedCount)")
                // How long it lasts is what varies here, not a wait for something.
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...400, using: &random)))
                try await make(fault, service, member, lasting: length)
                let before = log.acknowledgedCount
                try await eventually("sealing goes on", within: .seconds(60)) {
                    log.acknowledgedCount >= before + 20
                }
                for load in loads { await load.stop() }
            }

            private func make(
                _ fault: Fault, _ service: Int, _ member: Int, lasting length: Duration
            ) async throws {
                let proxy = proxies[service][member]
                switch fault {
                case .killMember:
                    await cluster.kill(member)
                    try await Task.sleep(for: length)
                    try await cluster.restart(member)
                case .pauseMember:
                    await cluster.pause(member)
                    try await Task.sleep(for: length)
                    await cluster.resume(member)
                case .loseAnswers:
                    for proxy in proxies[service] { proxy.loseAnswers() }
                    try await Task.sleep(for: length)
                    for proxy in proxies[service] { proxy.pass() }
                case .delayAnswers:
                    proxy.delayAnswers(by: length / 10)
                    try await Task.sleep(for: length)
                    proxy.pass()
                case .refuse:
                    for proxy in proxies[service] {
                        proxy.refuse()
                        proxy.cut()
                    }
                    try await Task.sleep(for: length)
                    for proxy in proxies[service] { proxy.pass() }
                case .cut:
                    for proxy in proxies[service] { proxy.cut() }
                case .killService:
                    await services[service].end()
                    services[service] = try await start(service)
                }
            }

            func expectSound() async throws {
                // The last fault may have been over for one service while the other sealed.
                for service in services {
                    try await eventually("the service reads again", within: .seconds(60)) {
                        (try? await service.calls.verify()) != nil
                    }
                }
                for service in services { try await log.settleOpen(with: service.calls) }
                #expect(log.open.isEmpty)
                for service in services {
                    #expect(try await LedgerCheck.contradictions(service.calls, log) == [])
                }
            }

            var lastLines: String {
                services.map(\.process.lastLines).joined(separator: "\n---\n")
            }

            func end() async {
                for service in services { await service.end() }
                for proxy in proxies.joined() { proxy.stop() }
            }
        }
    }
}
