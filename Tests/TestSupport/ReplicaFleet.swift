import Foundation

/// Replicas of one ledger that come and go.
package actor ReplicaFleet {
    package struct Replica: Sendable {
        package let number: Int
        package let ledger: LedgerFixture
    }

    /// Who callers may ask.
    package nonisolated let rota = ReplicaRota()
    /// The replicas that run, paused ones among them; the oldest first.
    package private(set) var members: [Replica] = []
    /// Those that were ended, for their logs.
    private var ended: [Replica] = []
    private let cluster: EtcdCluster
    private let settings: [String: String]
    private var reported: [Int: Int] = [:]

    package init(on cluster: EtcdCluster, settings: [String: String] = [:]) {
        self.cluster = cluster
        self.settings = settings.merging(
            ["LEDGER_PREFIX": "\(EtcdCluster.ledgers)\(UUID().uuidString.prefix(8))/"]) {
                given, _ in given
            }
    }

    // MARK: Coming and going

    /// Starts a replica, and lets callers ask it once it is ready.
    package func add() async throws {
        let ledger = try await LedgerFixture.start(on: cluster, settings: settings)
        let replica = Replica(number: members.count + ended.count + 1, ledger: ledger)
        members.append(replica)
        rota.add(.init(number: replica.number, calls: ledger.calls))
    }

    /// Asks a replica to stop (SIGTERM); callers ask it until it says that it is not ready.
    ///
    /// - Returns: Its exit code.
    package func terminate(_ number: Int) async throws -> Int32 {
        let replica = try take(number)
        let process = replica.ledger.process
        let admin = try await process.adminPort()
        process.terminate()
        try await eventually("replica \(number) is not ready any more", every: .milliseconds(5)) {
            try await LoopbackHTTP.status(port: admin, path: "/readyz") != 200
        }
        rota.remove(number)
        let status = try await process.waitForEnd()
        await replica.ledger.calls.close()
        return status
    }

    /// Asks a replica to stop (SIGTERM) that callers ask no more.
    ///
    /// - Returns: Its exit code.
    package func retire(_ number: Int) async throws -> Int32 {
        let replica = try take(number)
        rota.remove(number)
        // Calls that are open are answered; nothing tells from outside when.
        try await Task.sleep(for: .milliseconds(200))
        replica.ledger.process.terminate()
        let status = try await replica.ledger.process.waitForEnd()
        await replica.ledger.calls.close()
        return status
    }

    /// Kills a replica (SIGKILL); callers go on asking it until `forget`.
    package func kill(_ number: Int) async throws {
        try await take(number).ledger.process.kill()
    }

    /// Callers hear that a killed replica is gone.
    package func forget(_ number: Int) async {
        rota.remove(number)
        for replica in ended where replica.number == number { await replica.ledger.calls.close() }
    }

    private func take(_ number: Int) throws -> Replica {
        guard let index = members.firstIndex(where: { $0.number == number }) else {
            throw TestFailure("no replica \(number)")
        }
        let replica = members.remove(at: index)
        ended.append(replica)
        return replica
    }

    /// Ends all without asking.
    package func end() async {
        for replica in members { await replica.ledger.end() }
        ended += members
        members = []
    }

    // MARK: Who seals

    /// Waits until one replica holds the hint and all others forward to it.
    ///
    /// - Returns: The one.
    @discardableResult
    package func waitUntilSteady() async throws -> Replica {
        var found: Replica?
        try await eventually("one replica seals for all", within: .seconds(60)) {
            found = try await steadySealer()
            return found != nil
        }
        guard let found else { throw TestFailure("no sealer") }
        return found
    }

    /// The replica that holds the hint where all others forward to it now; else nil.
    package func steadySealer() async throws -> Replica? {
        var sealers: [Replica] = []
        var peers = 0.0
        for replica in members {
            let metrics = try await replica.ledger.process.metrics()
            guard metrics["ledger_is_sealer"] == 1 else { continue }
            sealers.append(replica)
            peers = metrics["ledger_forwarding_peers"] ?? 0
        }
        return sealers.count == 1 && Int(peers) >= members.count - 1 ? sealers[0] : nil
    }

    /// A counter, or the sum of those whose names begin so, over all replicas.
    package func total(_ name: String) async throws -> Int {
        var sum = 0.0
        for replica in members {
            let metrics = try await replica.ledger.process.metrics()
            for (other, value) in metrics where other.hasPrefix(name) { sum += value }
        }
        return Int(sum)
    }

    // MARK: Logs

    /// How often one of all replicas, ended ones among them, came to hold the hint, and how often one let it go itself.
    package var hintChanges: (takes: Int, givenBack: Int) {
        func count(_ text: String) -> Int {
            (ended + members).reduce(0) {
                $0 + $1.ledger.process.log.components(separatedBy: text).count - 1
            }
        }
        return (count("this replica seals now"), count("the hint is given back"))
    }

    /// How long replicas neither forwarded nor sealed under the hint, in milliseconds, as their
    /// logs say, since this was asked last.
    package func newHandovers() -> [Int] {
        (ended + members).flatMap { replica in
            let all = replica.ledger.process.log.split(separator: "outage_ms=").dropFirst()
                .compactMap { Int($0.prefix { $0.isNumber }) }
            defer { reported[replica.number] = all.count }
            return all.dropFirst(reported[replica.number] ?? 0)
        }
    }

    /// The ends of all logs, for a failure's message.
    package var lastLines: String {
        (ended + members).map { "replica \($0.number):\n\($0.ledger.process.lastLines)" }
            .joined(separator: "\n---\n")
    }
}
