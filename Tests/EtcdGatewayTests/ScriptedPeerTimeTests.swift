import Glibc
import Logging
import Synchronization
import TestSupport
import Testing

@testable import EtcdGateway

/// How requests end that no answer ends, over HTTP/1.1.
@Suite("EtcdClient, deadlines, cancellation and bounds")
struct ScriptedPeerTimeTests {
    @Test("silence is unknown to a write when its deadline passes, and not later")
    func silence() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint]) { $0.requestTimeout = .seconds(60) }
        let begin = ContinuousClock.now
        let error = await ScriptedClient.putError(
            client, EtcdRequestOptions(timeout: .milliseconds(60)))
        let duration = ContinuousClock.now - begin
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .timeout)
        #expect(duration >= .milliseconds(60))
        #expect(duration < .seconds(10))
        #expect(peer.requests.count == 1)
        await client.shutdown()
    }

    @Test("a read leaves a silent member in time for another to answer")
    func silentMember() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        let other = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.emptyRange) }
        defer {
            peer.stop()
            other.stop()
        }
        let client = try ScriptedClient.make([peer.endpoint, other.endpoint])
        let response = try await client.range(
            EtcdRangeRequest(key: [1]), options: .init(timeout: .seconds(2)))
        #expect(response.header?.endpoint == other.endpoint)
        await client.shutdown()
    }

    @Test("a member that left everything unanswered for long gets a new connection")
    func silentConnectionIsGivenUp() async throws {
        let peer = try ScriptedPeer { number, _ in
            number == 0 ? .silence : .answer(200, ScriptedClient.applied)
        }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint]) {
            $0.requestTimeout = .milliseconds(50)
        }
        _ = await ScriptedClient.putError(client)
        try await eventually("the connection's end") { client.poolStatistics.idle == 0 }
        #expect(try await client.transaction(ScriptedClient.put).succeeded)
        await client.shutdown()
    }

    @Test("a cancelled request ends at once, and is unknown when it was sent")
    func cancellation() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        let task = Task {
            try await client.transaction(
                ScriptedClient.put, options: EtcdRequestOptions(timeout: .seconds(60)))
        }
        try await eventually("the request's arrival") { peer.requests.count == 1 }
        let begin = ContinuousClock.now
        task.cancel()
        let error = await #expect(throws: EtcdError.self) { _ = try await task.value }
        #expect(.now - begin < .seconds(5))
        #expect(error?.failureClass == .unknown)
        #expect(error?.code == .cancelled)
        await client.shutdown()
    }

    @Test("a request of a cancelled task, or past its deadline, is not sent")
    func neverSent() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.applied) }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        let late = await ScriptedClient.putError(
            client, EtcdRequestOptions(timeout: .milliseconds(-1)))
        #expect(late?.failureClass == .notSent)
        #expect(late?.code == .timeout)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await client.transaction(ScriptedClient.put)
        }
        task.cancel()
        let cancelled = await #expect(throws: EtcdError.self) { _ = try await task.value }
        #expect(cancelled?.failureClass == .notSent)
        #expect(cancelled?.code == .cancelled)
        #expect(peer.requests.isEmpty)
        await client.shutdown()
    }

    @Test("shutting down ends what is open, and refuses what comes later")
    func shutdown() async throws {
        let peer = try ScriptedPeer { _, _ in .silence }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        let task = Task {
            try await client.transaction(
                ScriptedClient.put, options: EtcdRequestOptions(timeout: .seconds(60)))
        }
        try await eventually("the request's arrival") { peer.requests.count == 1 }
        await client.shutdown()
        let open = await #expect(throws: EtcdError.self) { _ = try await task.value }
        #expect(open?.failureClass == .unknown)
        #expect(open?.code == .shutDown)
        let later = await ScriptedClient.putError(client)
        #expect(later?.failureClass == .notSent)
        #expect(later?.code == .shutDown)
        await client.shutdown()
        #expect(client.poolStatistics.active == 0)
        #expect(client.poolStatistics.idle == 0)
    }

    @Test("over HTTP/1.1 the connections stay within their bound, and requests wait")
    func boundedConnections() async throws {
        let peer = try ScriptedPeer { _, _ in .answer(200, ScriptedClient.emptyRange) }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint]) {
            $0.maxConnections = 2
            $0.maxIdleConnections = 1
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 {
                group.addTask { _ = try await client.range(EtcdRangeRequest(key: [1])) }
            }
            for try await _ in group {
                let statistics = client.poolStatistics
                #expect(statistics.active + statistics.idle <= 2)
            }
        }
        #expect(client.poolStatistics.maxConnections == 2)
        #expect(client.poolStatistics.waitCount > 0)
        #expect(client.poolStatistics.waitTime > .zero)
        #expect(client.poolStatistics.openedCount >= 2)
        #expect(peer.requests.count == 40)
        await client.shutdown()
    }

    @Test("a full pool queues as many requests as it may, and refuses the others at once, unsent")
    func fullPool() async throws {
        let isOver = Mutex(false)
        let peer = try ScriptedPeer { _, _ in
            while !isOver.withLock({ $0 }) { usleep(1_000) }
            return .answer(200, ScriptedClient.emptyRange)
        }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint]) {
            $0.maxConnections = 2
            $0.maxIdleConnections = 2
            $0.maxWaitingRequests = 3
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            // The first one shows that the peer speaks HTTP/1.1, with which a connection carries one request at a time.
            isOver.withLock { $0 = true }
            _ = try await client.range(EtcdRangeRequest(key: [1]))
            isOver.withLock { $0 = false }
            for _ in 0..<5 {
                group.addTask { _ = try await client.range(EtcdRangeRequest(key: [1])) }
            }
            try await eventually("two are under way and three wait") {
                let now = client.poolStatistics
                return now.active + now.opening == 2 && now.waiting == 3
            }
            let refused = await ScriptedClient.putError(client)
            #expect(refused?.failureClass == .notSent)
            #expect(refused?.code == .busy)
            #expect(client.poolStatistics.refusedCount == 1)
            isOver.withLock { $0 = true }
            try await group.waitForAll()
        }
        #expect(peer.requests.count == 6)
        #expect(client.poolStatistics.waiting == 0)
        #expect(client.poolStatistics.waitCount == 3)
        await client.shutdown()
    }

    @Test("large reads that fill their pool keep no transaction waiting, and transactions no read")
    func separatePools() async throws {
        let silent = Mutex("/v3/kv/range")
        let peer = try ScriptedPeer { _, request in
            if request.head.contains(silent.withLock { $0 }) { return .silence }
            let isRange = request.head.contains("/v3/kv/range")
            return .answer(200, isRange ? ScriptedClient.emptyRange : ScriptedClient.applied)
        }
        defer { peer.stop() }
        func narrow(_ configuration: inout EtcdConfiguration) {
            configuration.maxConnections = 1
            configuration.maxIdleConnections = 1
        }
        for (path, fillsBulk) in [("/v3/kv/range", true), ("/v3/kv/txn", false)] {
            silent.withLock { $0 = path }
            let sealing = try ScriptedClient.make([peer.endpoint], narrow)
            var configuration = EtcdConfiguration(endpoints: [peer.endpoint])
            configuration.requestTimeout = .seconds(20)
            configuration.connectTimeout = .seconds(20)
            narrow(&configuration)
            let bulk = try EtcdClient(
                sharingLoginOf: sealing, configuration: configuration,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let (full, free) = fillsBulk ? (bulk, sealing) : (sealing, bulk)
            let hanging = (0..<3).map { _ in
                Task {
                    if fillsBulk {
                        _ = try? await full.range(EtcdRangeRequest(key: [1]))
                    } else {
                        _ = await ScriptedClient.putError(full)
                    }
                }
            }
            try await eventually("the pool is full") {
                full.poolStatistics.active == 1 && full.poolStatistics.waiting == 2
            }
            for _ in 0..<20 {
                if fillsBulk {
                    _ = try await free.transaction(ScriptedClient.put)
                } else {
                    _ = try await free.range(EtcdRangeRequest(key: [1]))
                }
            }
            #expect(free.poolStatistics.waitCount == 0)
            await full.shutdown()
            for task in hanging { await task.value }
            await free.shutdown()
        }
    }

    @Test("who waits too long for a connection is refused like who finds the queue full")
    func longWait() async throws {
        let peer = try ScriptedPeer { number, _ in
            number == 0 ? .answer(200, ScriptedClient.emptyRange) : .silence
        }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint]) {
            $0.maxConnections = 1
            $0.maxIdleConnections = 1
        }
        _ = try await client.range(EtcdRangeRequest(key: [1]))
        let first = Task { await ScriptedClient.putError(client) }
        try await eventually("its arrival") { peer.requests.count == 2 }
        let second = await ScriptedClient.putError(
            client, EtcdRequestOptions(timeout: .milliseconds(50)))
        #expect(second?.failureClass == .notSent)
        #expect(second?.code == .busy)
        #expect(client.poolStatistics.waitTime >= .milliseconds(40))
        // It says nothing of the member.
        #expect(client.breakers.map(\.openedCount) == [0])
        await client.shutdown()
        _ = await first.value
    }
}
