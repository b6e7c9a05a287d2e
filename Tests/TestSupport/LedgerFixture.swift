package import Foundation
import LedgerAPI

/// A service with a ledger of its own on a cluster, and one caller of it.
package struct LedgerFixture: Sendable {
    package let cluster: EtcdCluster
    package let process: LedgerProcess
    package let calls: LedgerCalls
    /// The settings that the service was started with, for another one on the same ledger.
    package let settings: [String: String]

    package var prefix: String { settings["LEDGER_PREFIX"] ?? "ledger/" }

    /// Starts a service and waits until it is ready.
    package static func start(
        on cluster: EtcdCluster, settings: [String: String] = [:], waitsUntilReady: Bool = true
    ) async throws -> LedgerFixture {
        var settings = settings
        // Many ledgers fit into one cluster.
        if settings["LEDGER_PREFIX"] == nil {
            settings["LEDGER_PREFIX"] = "\(EtcdCluster.ledgers)\(UUID().uuidString.prefix(8))/"
        }
        let process = try LedgerProcess(on: cluster, settings: settings)
        do {
            if waitsUntilReady { try await process.waitUntilReady() }
            let calls = try await LedgerCalls(process)
            return LedgerFixture(
                cluster: cluster, process: process, calls: calls, settings: settings)
        } catch {
            await process.kill()
            throw error
        }
    }

    /// Starts a further service on the same ledger.
    package func another(_ changes: [String: String] = [:]) async throws -> LedgerFixture {
        try await .start(on: cluster, settings: settings.merging(changes) { $1 })
    }

    /// Seals so many events, one after the other.
    ///
    /// - Throws: where one is not sealed.
    package func seal(_ prefix: String, _ count: Int) async throws {
        for event in Ledger_CertifiedEvent.samples(prefix, count: count) {
            let answer = await calls.submit(event)
            guard answer.isSealed else { throw TestFailure("\(event.eventID): \(answer)") }
        }
    }

    /// Ends caller and service, the latter without asking.
    package func end() async {
        await calls.close()
        await process.kill()
    }

    /// Runs a test with the fixture and ends it afterwards; a failure shows the service's log.
    package func use<Value>(_ body: (LedgerFixture) async throws -> Value) async throws -> Value {
        do {
            let value = try await body(self)
            await end()
            return value
        } catch {
            let lines = process.lastLines
            await end()
            throw TestFailure("\(error)\nThe service's last lines:\n\(lines)")
        }
    }
}

/// Runs a test with a service on a ledger of its own.
package func withLedger<Value>(
    on cluster: EtcdCluster, settings: [String: String] = [:],
    _ body: (LedgerFixture) async throws -> Value
) async throws -> Value {
    try await LedgerFixture.start(on: cluster, settings: settings).use(body)
}

/// Runs a test with a cluster of its own, with users and roles.
///
/// - Parameter certificates: A folder of its own for them; by default the one that all tests share.
package func withCluster<Value>(
    size: Int = 3, flags: [String] = [], certificates: URL? = nil,
    _ body: (EtcdCluster) async throws -> Value
) async throws -> Value {
    let cluster = try await EtcdCluster.start(
        size: size, flags: flags, restrictedTo: EtcdCluster.ledgers, certificates: certificates)
    do {
        let value = try await body(cluster)
        await cluster.stop()
        return value
    } catch {
        await cluster.stop()
        throw error
    }
}
