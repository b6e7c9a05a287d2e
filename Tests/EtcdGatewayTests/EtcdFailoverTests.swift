import Foundation
import Logging
import TestSupport
import Testing

@testable import EtcdGateway

/// What the client makes of members that die, stop or have the wrong certificates. Each test has
/// a cluster of its own.
@Suite("EtcdClient and failing members", .serialized)
struct EtcdFailoverTests {
    private let key = Array("key".utf8)

    private func makeClient(_ configuration: EtcdConfiguration) throws -> EtcdClient {
        try EtcdClient(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A machine that does many things at once must not fail these tests.
    private func patient(_ configuration: EtcdConfiguration) -> EtcdConfiguration {
        var configuration = configuration
        configuration.requestTimeout = .seconds(20)
        configuration.connectTimeout = .seconds(20)
        return configuration
    }

    private func withCluster(
        size: Int = 3, _ body: (EtcdCluster) async throws -> Void
    ) async throws {
        let cluster = try await EtcdCluster.start(size: size)
        do {
            try await body(cluster)
            await cluster.stop()
        } catch {
            await cluster.stop()
            throw error
        }
    }

    private var put: EtcdTransaction {
        EtcdTransaction(success: [.put(key: key, value: [1])])
    }

    @Test("when a follower dies, requests go on through the others")
    func deadMember() async throws {
        try await withCluster { cluster in
            let configuration = patient(cluster.configuration)
            let client = try makeClient(configuration)
            let leader = try await cluster.leader()
            let follower = (leader + 1) % 3
            client.prefer(cluster.endpoints[follower])
            let before = try await client.transaction(put)
            #expect(before.header.endpoint == cluster.endpoints[follower])
            await cluster.kill(follower)
            let after = try await client.transaction(put)
            #expect(after.succeeded)
            #expect(after.header.endpoint != cluster.endpoints[follower])
            try await cluster.restart(follower)
            let back = try await client.status(of: cluster.endpoints[follower])
            #expect(back.memberID == before.header.memberID)
            await client.shutdown()
        }
    }

    @Test("when the leader dies, writes succeed again after the election")
    func deadLeader() async throws {
        try await withCluster { cluster in
            let client = try makeClient(patient(cluster.configuration))
            let leader = try await cluster.leader()
            client.prefer(cluster.endpoints[leader])
            #expect(try await client.transaction(put).succeeded)
            await cluster.kill(leader)
            try await eventually("a new leader") {
                (try? await client.transaction(put).succeeded) ?? false
            }
            let newLeader = try await cluster.leader()
            #expect(newLeader != leader)
            await client.shutdown()
        }
    }

    @Test("with no member running, nothing is sent")
    func allDead() async throws {
        try await withCluster { cluster in
            let client = try makeClient(patient(cluster.configuration))
            #expect(try await client.transaction(put).succeeded)
            for index in 0..<3 { await cluster.kill(index) }
            let write = await #expect(throws: EtcdError.self) {
                _ = try await client.transaction(put)
            }
            #expect(write?.failureClass == .notSent)
            #expect(write?.code == .connect)
            let read = await #expect(throws: EtcdError.self) {
                _ = try await client.range(EtcdRangeRequest(key: key))
            }
            #expect(read?.failureClass == .notSent)
            await client.shutdown()
        }
    }

    @Test("a write through a paused member is unknown at its deadline, and a read goes elsewhere")
    func pausedMember() async throws {
        try await withCluster { cluster in
            let configuration = patient(cluster.configuration)
            let client = try makeClient(configuration)
            let leader = try await cluster.leader()
            let follower = (leader + 1) % 3
            client.prefer(cluster.endpoints[follower])
            let before = try await client.transaction(put)
            #expect(before.header.endpoint == cluster.endpoints[follower])
            await cluster.pause(follower)
            let begin = ContinuousClock.now
            let error = await #expect(throws: EtcdError.self) {
                _ = try await client.transaction(
                    put, options: EtcdRequestOptions(timeout: .milliseconds(100)))
            }
            #expect(error?.failureClass == .unknown)
            #expect(error?.code == .timeout)
            #expect(.now - begin < .seconds(10))
            let read = try await client.range(
                EtcdRangeRequest(key: key), options: .init(timeout: .seconds(20)))
            #expect(read.header?.endpoint != cluster.endpoints[follower])
            await cluster.resume(follower)
            let revision = try #require(read.header?.revision)
            // The member goes on where it stopped: the write may be applied now, once.
            try await eventually("an answer of the member") {
                (try? await client.status(of: cluster.endpoints[follower])) != nil
            }
            let late = try await client.range(EtcdRangeRequest(key: key))
            #expect((late.header?.revision ?? 0) <= revision + 1)
            await client.shutdown()
        }
    }

    @Test("without a quorum a read of the member's own copy succeeds, any other is in vain")
    func noQuorum() async throws {
        try await withCluster { cluster in
            let client = try makeClient(patient(cluster.configuration))
            #expect(try await client.transaction(put).succeeded)
            await cluster.kill(1)
            await cluster.kill(2)
            let only = EtcdRequestOptions(
                timeout: .milliseconds(300), only: cluster.endpoints[0])
            let error = await #expect(throws: EtcdError.self) {
                _ = try await client.transaction(put, options: only)
            }
            #expect(error?.failureClass == .unknown)
            let copy = try await client.range(
                EtcdRangeRequest(key: key, serializable: true),
                options: EtcdRequestOptions(timeout: .seconds(20)))
            #expect(copy.kvs.map(\.value) == [[1]])
            await client.shutdown()
        }
    }

    @Test("a member whose CA is not ours gets no request")
    func wrongAuthority() async throws {
        try await withCluster(size: 1) { cluster in
            let folder = FileManager.default.temporaryDirectory
                .appending(path: "ledger-other-ca-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            let others = try await EtcdCluster.certificates(in: folder)
            var configuration = patient(cluster.configuration)
            configuration.caCertificatePath = others.appending(path: "ca.pem").path
            let client = try makeClient(configuration)
            let error = await #expect(throws: EtcdError.self) {
                _ = try await client.transaction(put)
            }
            #expect(error?.failureClass == .notSent)
            #expect(error?.code == .tls)
            await client.shutdown()

            // The other way round the member refuses; in TLS 1.3 only after the request was sent.
            configuration = patient(EtcdCluster.configuration(cluster.endpoints, others))
            configuration.caCertificatePath = cluster.configuration.caCertificatePath
            let stranger = try makeClient(configuration)
            let refusal = await #expect(throws: EtcdError.self) {
                _ = try await stranger.transaction(put)
            }
            #expect(refusal?.failureClass == .unknown || refusal?.failureClass == .notSent)
            await stranger.shutdown()

            let owner = try makeClient(cluster.configuration)
            #expect(try await owner.range(EtcdRangeRequest(key: key)).kvs.isEmpty)
            await owner.shutdown()
        }
    }

    @Test("a write whose connection breaks after it was applied is unknown, and applied once")
    func brokenAfterApplying() async throws {
        try await withCluster(size: 1) { cluster in
            let proxy = try CuttingProxy(to: cluster.endpoints[0])
            defer { proxy.stop() }
            var configuration = patient(cluster.configuration)
            let owner = try makeClient(configuration)
            configuration.endpoints = [proxy.endpoint]
            let client = try makeClient(configuration)
            #expect(try await client.range(EtcdRangeRequest(key: key)).kvs.isEmpty)
            proxy.keepAnswers(true)
            let task = Task { try await client.transaction(put) }
            try await eventually("the write") {
                try await owner.range(EtcdRangeRequest(key: key)).kvs.count == 1
            }
            proxy.keepAnswers(false)
            proxy.cut()
            let error = await #expect(throws: EtcdError.self) { _ = try await task.value }
            #expect(error?.failureClass == .unknown)
            #expect(error?.code == .connectionLost)
            let found = try await client.range(EtcdRangeRequest(key: key)).kvs
            #expect(found.map(\.version) == [1])
            #expect(proxy.connections == 2)
            await client.shutdown()
            await owner.shutdown()
        }
    }

    @Test(
        "a connection that nothing is heard on is given up, for a lone caller and where it always carries requests",
        arguments: [1, 4])
    func silentConnection(callers: Int) async throws {
        try await withCluster(size: 1) { cluster in
            let proxy = try CuttingProxy(to: cluster.endpoints[0])
            defer { proxy.stop() }
            var configuration = cluster.configuration
            configuration.endpoints = [proxy.endpoint]
            configuration.requestTimeout = .milliseconds(400)
            configuration.connectTimeout = .seconds(20)
            let client = try makeClient(configuration)
            try await eventually("an answer") {
                (try? await client.range(EtcdRangeRequest(key: key))) != nil
            }
            let before = proxy.connections
            proxy.silenceOpenConnections()
            // Of several callers some always wait for an answer, as in a service that is busy.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for caller in 0..<callers {
                    group.addTask {
                        try await Task.sleep(for: .milliseconds(caller * 100))
                        while (try? await client.range(EtcdRangeRequest(key: key))) == nil {
                            try Task.checkCancellation()
                        }
                    }
                }
                group.addTask {
                    try await eventually("a new connection") { proxy.connections > before }
                }
                try await group.waitForAll()
            }
            await client.shutdown()
        }
    }

    @Test("a full pool refuses at once, and what waits is answered when the member goes on")
    func fullPool() async throws {
        try await withCluster(size: 1) { cluster in
            var configuration = patient(cluster.configuration)
            configuration.maxConnections = 1
            configuration.maxIdleConnections = 1
            configuration.maxWaitingRequests = 3
            let client = try makeClient(configuration)
            #expect(try await client.transaction(put).succeeded)
            await cluster.pause(0)
            try await withThrowingTaskGroup(of: Void.self) { group in
                // As many as one connection carries over HTTP/2, and three that wait.
                for _ in 0..<103 {
                    group.addTask {
                        _ = try await client.range(EtcdRangeRequest(key: Array("key".utf8)))
                    }
                }
                try await eventually("three wait") { client.poolStatistics.waiting == 3 }
                let error = await #expect(throws: EtcdError.self) {
                    _ = try await client.transaction(put)
                }
                #expect(error?.failureClass == .notSent)
                #expect(error?.code == .busy)
                await cluster.resume(0)
                try await group.waitForAll()
            }
            #expect(client.poolStatistics.active + client.poolStatistics.idle == 1)
            #expect(client.poolStatistics.refusedCount == 1)
            // The one that was refused was never sent.
            let found = try await client.range(EtcdRangeRequest(key: key)).kvs
            #expect(found.map(\.version) == [1])
            await client.shutdown()
        }
    }

    @Test("large reads have connections of their own, and the same login")
    func separateConnections() async throws {
        let cluster = try await EtcdCluster.start(size: 1, restrictedTo: "own/")
        let observer = RecordingObserver()
        do {
            let configuration = patient(cluster.configuration)
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let client = try EtcdClient(
                configuration: configuration, logger: logger, observer: observer)
            let bulk = try EtcdClient(
                sharingLoginOf: client, configuration: configuration, logger: logger,
                observer: observer)
            let request = EtcdRangeRequest(key: Array("own/key".utf8))
            _ = try await client.range(request)
            _ = try await bulk.range(request)
            #expect(observer.results.count { $0.hasPrefix("authenticate") } == 1)
            #expect(client.poolStatistics.active + client.poolStatistics.idle == 1)
            #expect(bulk.poolStatistics.active + bulk.poolStatistics.idle == 1)
            await bulk.shutdown()
            _ = try await client.range(request)
            await client.shutdown()
            await cluster.stop()
        } catch {
            await cluster.stop()
            throw error
        }
    }
}
