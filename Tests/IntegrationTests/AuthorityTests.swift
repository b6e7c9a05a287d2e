import Foundation
import GRPCNIOTransportHTTP2
import LedgerAPI
import Synchronization
import TestSupport
import Testing

extension Integration {
    /// Authorities that are replaced while callers submit.
    @Suite("Authorities", .serialized)
    struct AuthorityTests {
        @Test(
            "certificates and authorities change every second on both ports and towards etcd, and no call fails",
            arguments: [3])
        func rotation(rounds: Int) async throws {
            let folder = FileManager.default.temporaryDirectory
                .appending(path: "authorities-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            let certificates = try await RotatedCertificates(in: folder)
            try await withCluster(certificates: certificates.members) { cluster in
                var settings = certificates.settings
                // Connections to etcd are made anew all the time, with what counts then.
                settings["ETCD_CONNECTION_MAX_LIFETIME"] = "1"
                try await withLedger(on: cluster, settings: settings) { first in
                    try await first.another().use { second in
                        try await rotate(
                            rounds, certificates, [first.process, second.process])
                        // Both have changed to the new side. One goes, and the other one works with a newcomer, who
                        // knows nothing of the old side.
                        try await second.another().use { third in
                            await first.process.kill()
                            try await forwards([second.process, third.process], certificates)
                        }
                    }
                }
            }
        }

        /// Goes from the old side to the new one and back again, so often, and then to the new side for good; a step takes
        /// a second at least, and as long as a caller or a replica needs to follow.
        private func rotate(
            _ rounds: Int, _ certificates: RotatedCertificates, _ replicas: [LedgerProcess]
        ) async throws {
            var ports: [Int] = []
            for replica in replicas { ports.append(try await replica.port()) }
            let load = ConnectingLoad(ports, certificates, callers: 4)
            let forward = Array(RotatedCertificates.forward.dropFirst())
            let back = Array(RotatedCertificates.forward.reversed().dropFirst())
            let way = (0..<rounds).flatMap { _ in forward + back } + forward
            var steps = 0.0
            var next = ContinuousClock.now
            for stage in way {
                next = max(next + .seconds(1), .now)
                try await Task.sleep(until: next)
                try certificates.turn(to: stage)
                steps += 1
                for replica in replicas {
                    // A set for each port, and one towards etcd.
                    try await eventually("\(stage) counts", within: .seconds(60)) {
                        try await replica.metric("ledger_tls_reloads_total") == steps * 3
                    }
                    #expect(try await replica.metric("ledger_tls_reload_failed") == 0)
                }
                // Where both sides are believed, everybody changes to the side that the service shows.
                guard stage.trusts.count == 2 else { continue }
                try certificates.turnMembers(to: stage.shows)
                try await load.turn(to: stage.shows)
            }
            let later = load.log.acknowledgedCount
            try await eventually("events are sealed after it") {
                load.log.acknowledgedCount >= later + 20
            }
            await load.stop()
            let failed = load.log.answers.filter { !$0.isSealed }
            #expect(failed.isEmpty, "\(failed.count): \(failed.prefix(3))")
            #expect(load.connections >= 4 * way.count / 3, "new connections were made all the time")
            for port in ports {
                #expect(await !isAdmitted(.old, certificates, port), "the old side is not believed")
                #expect(await isAdmitted(.new, certificates, port))
            }
        }

        /// Events that either replica takes are sealed, and one of them has the other seal for it.
        private func forwards(
            _ replicas: [LedgerProcess], _ certificates: RotatedCertificates
        ) async throws {
            for replica in replicas {
                let calls = try LedgerCalls(
                    port: try await replica.port(), security: .caller(certificates, .new))
                for event in Ledger_CertifiedEvent.samples("f-\(replica.processID)", count: 3) {
                    let answer = try await calls.settle(event)
                    #expect(answer.isProofOfSealing, "\(answer)")
                }
                await calls.close()
            }
            try await eventually("one replica forwards to the other", within: .seconds(60)) {
                var states: [Double] = []
                var forwarded = 0.0
                for replica in replicas {
                    states.append(try await replica.metric("ledger_is_sealer"))
                    let samples = try await replica.metrics()
                    forwarded +=
                        samples.filter { $0.key.hasPrefix("ledger_forwarded") }.values.reduce(0, +)
                }
                return states.sorted() == [0, 1] && forwarded > 0
            }
        }

        private func isAdmitted(
            _ side: RotatedCertificates.Side, _ certificates: RotatedCertificates, _ port: Int
        ) async -> Bool {
            guard let calls = try? LedgerCalls(port: port, security: .caller(certificates, side))
            else { return false }
            let answer = await calls.submit(.sample("a-\(UUID().uuidString)"))
            await calls.close()
            return answer.isSealed
        }
    }
}

/// Callers each of whom makes a new connection for a few calls, again and again, with the certificate of now.
private final class ConnectingLoad: Sendable {
    private struct State {
        var side = RotatedCertificates.Side.old
        /// For each caller the side that its last connection showed, once it has sealed something.
        var shown: [RotatedCertificates.Side?]
        var connections = 0
        var isStopping = false
    }

    let log = SubmissionLog()
    private let state: Mutex<State>
    private let tasks = Mutex<[Task<Void, Never>]>([])

    init(_ ports: [Int], _ certificates: RotatedCertificates, callers: Int) {
        state = Mutex(State(shown: Array(repeating: nil, count: callers)))
        let started = (0..<callers).map { caller in
            // Unstructured: the load goes on beside what the test does.
            Task { await self.run(caller, ports[caller % ports.count], certificates) }
        }
        tasks.withLock { $0 = started }
    }

    var connections: Int { state.withLock(\.connections) }

    /// From now on new connections show this side's certificate; waits until nobody uses the other one any more.
    func turn(to side: RotatedCertificates.Side) async throws {
        state.withLock { state in
            state.side = side
            for caller in state.shown.indices { state.shown[caller] = nil }
        }
        try await eventually("every caller shows the certificate of \(side)", within: .seconds(60))
        {
            state.withLock { $0.shown.allSatisfy { $0 == side } }
        }
    }

    func stop() async {
        state.withLock { $0.isStopping = true }
        for task in tasks.withLock({ $0 }) { await task.value }
    }

    private func run(_ caller: Int, _ port: Int, _ certificates: RotatedCertificates) async {
        var count = 0
        while !state.withLock(\.isStopping) {
            let side = state.withLock(\.side)
            guard let calls = try? LedgerCalls(port: port, security: .caller(certificates, side))
            else {
                Issue.record("caller \(caller) has no connection")
                return
            }
            for _ in 0..<3 {
                count += 1
                let event = Ledger_CertifiedEvent.sample("c-\(caller)-\(count)")
                await log.record(event) { await calls.submit($0) }
            }
            await calls.close()
            state.withLock { state in
                state.connections += 1
                state.shown[caller] = side
            }
        }
    }
}

extension HTTP2ClientTransport.Posix.TransportSecurity {
    /// A caller with a certificate of one side, who believes both.
    fileprivate static func caller(
        _ certificates: RotatedCertificates, _ side: RotatedCertificates.Side
    ) -> Self {
        let folder = certificates.side(side)
        return .mTLS(
            certificateChain: [
                .file(path: folder.appending(path: "ledger-client.pem").path, format: .pem)
            ],
            privateKey: .file(
                path: folder.appending(path: "ledger-client-key.pem").path, format: .pem)
        ) {
            $0.trustRoots = .certificates([
                .file(path: certificates.trustedByCallers, format: .pem)
            ])
            $0.serverCertificateVerification = .noHostnameVerification
        }
    }
}
