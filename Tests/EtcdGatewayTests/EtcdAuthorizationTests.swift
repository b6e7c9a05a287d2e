import Foundation
import Logging
import TestSupport
import Testing

@testable import EtcdGateway

/// The client and etcd's users, roles and tokens.
@Suite("EtcdClient and etcd's RBAC", .serialized)
struct EtcdAuthorizationTests {
    private static let setUp = [
        ["user", "add", "root:root-password"], ["role", "add", "root"],
        ["user", "grant-role", "root", "root"],
        ["user", "add", "ledger:ledger-password"], ["role", "add", "ledger"],
        ["role", "grant-permission", "ledger", "readwrite", "--prefix", "ledger/"],
        ["user", "grant-role", "ledger", "ledger"], ["auth", "enable"],
    ]

    private func withCluster(
        isEnabled: Bool = true, _ body: (EtcdCluster, EtcdConfiguration) async throws -> Void
    ) async throws {
        let cluster = try await EtcdCluster.start(size: 1)
        do {
            if isEnabled { try await enable(cluster) }
            var configuration = cluster.configuration
            configuration.username = "ledger"
            configuration.password = "ledger-password"
            // A machine that does many things at once must not fail these tests.
            configuration.requestTimeout = .seconds(20)
            configuration.connectTimeout = .seconds(20)
            try await body(cluster, configuration)
            await cluster.stop()
        } catch {
            await cluster.stop()
            throw error
        }
    }

    private func enable(_ cluster: EtcdCluster) async throws {
        for command in Self.setUp { try await cluster.etcdctl(command) }
    }

    private func makeClient(
        _ configuration: EtcdConfiguration, observer: RecordingObserver? = nil
    ) throws -> EtcdClient {
        try EtcdClient(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, observer: observer)
    }

    private func put(_ key: String) -> EtcdTransaction {
        EtcdTransaction(success: [.put(key: Array(key.utf8), value: [1])])
    }

    @Test("a user reaches what its role allows, after one login for all requests")
    func permissions() async throws {
        try await withCluster { cluster, configuration in
            let observer = RecordingObserver()
            let client = try makeClient(configuration, observer: observer)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<8 {
                    group.addTask {
                        try await client.transaction(put("ledger/\(index)")).succeeded
                    }
                }
                for try await succeeded in group { #expect(succeeded) }
            }
            #expect(observer.results.filter { $0 == "authenticate ok" }.count == 1)
            let error = await #expect(throws: EtcdError.self) {
                _ = try await client.transaction(put("other/1"))
            }
            #expect(error?.failureClass == .rejected)
            #expect(error?.code == .permissionDenied)
            // What any user may do.
            #expect(try await client.status(of: cluster.endpoints[0]).isLeader)
            let lease = try await client.grantLease(ttlSeconds: 60)
            #expect(try await client.keepAliveLease(lease.id) == 60)
            try await client.revokeLease(lease.id)
            await client.shutdown()
        }
    }

    @Test("a token that etcd no longer knows is replaced, and the write is done once")
    func forgottenToken() async throws {
        try await withCluster { cluster, configuration in
            let observer = RecordingObserver()
            let client = try makeClient(configuration, observer: observer)
            #expect(try await client.transaction(put("ledger/a")).succeeded)
            // A user's tokens end with the user.
            for command in [
                ["user", "delete", "ledger"], ["user", "add", "ledger:ledger-password"],
                ["user", "grant-role", "ledger", "ledger"],
            ] {
                try await cluster.etcdctl(command, as: "root:root-password")
            }
            #expect(try await client.transaction(put("ledger/a")).succeeded)
            let found = try await client.range(EtcdRangeRequest(key: Array("ledger/a".utf8)))
            #expect(found.kvs.map(\.version) == [2])
            #expect(observer.results.filter { $0 == "authenticate ok" }.count == 2)
            await client.shutdown()
        }
    }

    @Test("a wrong password is a refusal, a missing user name as well")
    func wrongPassword() async throws {
        try await withCluster { _, configuration in
            var wrong = configuration
            wrong.password = "wrong"
            for changed in [
                wrong,
                {
                    var nameless = configuration
                    nameless.username = nil
                    nameless.password = nil
                    return nameless
                }(),
            ] {
                let client = try makeClient(changed)
                let error = await #expect(throws: EtcdError.self) {
                    _ = try await client.transaction(put("ledger/a"))
                }
                #expect(error?.failureClass == .rejected)
                // Without a token, the gateway's own certificate is taken for the user.
                #expect([.unauthenticated, .permissionDenied].contains(error?.code))
                await client.shutdown()
            }
        }
    }

    @Test("with a user name, a cluster without RBAC is used without a token, until RBAC is on")
    func withoutRBAC() async throws {
        try await withCluster(isEnabled: false) { cluster, configuration in
            let observer = RecordingObserver()
            let client = try makeClient(configuration, observer: observer)
            #expect(try await client.transaction(put("ledger/a")).succeeded)
            #expect(try await client.transaction(put("ledger/a")).succeeded)
            #expect(observer.results == ["authenticate rejected", "txn ok", "txn ok"])
            try await enable(cluster)
            #expect(try await client.transaction(put("ledger/a")).succeeded)
            #expect(observer.results.filter { $0 == "authenticate ok" }.count == 1)
            await client.shutdown()
        }
    }
}
