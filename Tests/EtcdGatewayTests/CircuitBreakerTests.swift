import Logging
import Synchronization
import TestSupport
import Testing

@testable import EtcdGateway

@Suite("CircuitBreaker")
struct CircuitBreakerTests {
    private let start = ContinuousClock.now

    /// A breaker that has opened at `start`, with the longest of its first rests.
    private func opened() -> CircuitBreaker {
        var breaker = CircuitBreaker()
        for _ in 1..<CircuitBreaker.tooManyFailures { #expect(breaker.failed() == .none) }
        #expect(breaker.failed() == .probe)
        #expect(breaker.state == .closed)
        let action = breaker.probeFailed(at: start, chance: 1)
        #expect(action == .rest(CircuitBreaker.firstRest, isNews: true))
        return breaker
    }

    @Test("failures with answers in between do not add up")
    func failuresInARow() {
        var breaker = CircuitBreaker()
        for _ in 0..<10 {
            #expect(breaker.failed() == .none)
            #expect(breaker.failed() == .none)
            #expect(breaker.answered() == .none)
        }
        #expect(breaker.state == .closed && breaker.openedCount == 0)
    }

    @Test("failures cast doubt, and only a probe that fails opens it")
    func doubt() {
        var breaker = CircuitBreaker()
        for _ in 1..<CircuitBreaker.tooManyFailures { _ = breaker.failed() }
        #expect(breaker.failed() == .probe)
        // While the probe is under way further failures say nothing new.
        #expect(breaker.failed() == .none)
        #expect(breaker.state == .closed)
        #expect(breaker.answered() == .none)
        #expect(breaker.failed() == .none)
        var other = opened()
        #expect(other.state == .open && other.openedCount == 1)
        #expect(other.failed() == .none)
    }

    @Test("after its rest one probe decides: closed again, or open for twice as long")
    func halfOpen() {
        var breaker = opened()
        #expect(
            breaker.restEnded(at: start + .milliseconds(99))
                == .rest(.milliseconds(1), isNews: false))
        #expect(breaker.restEnded(at: start + .milliseconds(100)) == .probe)
        #expect(breaker.state == .halfOpen)
        #expect(breaker.restEnded(at: start + .milliseconds(100)) == .none)
        #expect(breaker.failed() == .none)
        let now = start + .milliseconds(200)
        #expect(
            breaker.probeFailed(at: now, chance: 1) == .rest(.milliseconds(200), isNews: false))
        #expect(breaker.state == .open)
        #expect(breaker.restEnded(at: now + .milliseconds(200)) == .probe)
        #expect(breaker.answered() == .recovered)
        #expect(breaker.state == .closed && breaker.openedCount == 1)
        // Its failures begin anew, and so does its rest.
        for _ in 1..<CircuitBreaker.tooManyFailures { #expect(breaker.failed() == .none) }
        #expect(breaker.failed() == .probe)
        #expect(
            breaker.probeFailed(at: now, chance: 1) == .rest(.milliseconds(100), isNews: true))
        #expect(breaker.openedCount == 2)
    }

    @Test("rests grow up to a bound, and chance shortens them by half at most")
    func rests() {
        for (chance, part) in [(0.0, 0.5), (0.5, 0.75), (1, 1), (7, 1), (-1, 0.5)] {
            var breaker = CircuitBreaker()
            for _ in 0..<CircuitBreaker.tooManyFailures { _ = breaker.failed() }
            var now = start
            for round in 0..<20 {
                let whole = min(
                    CircuitBreaker.firstRest * (1 << min(round, 10)), CircuitBreaker.longestRest)
                let expected = whole * part
                #expect(
                    breaker.probeFailed(at: now, chance: chance)
                        == .rest(expected, isNews: round == 0))
                now += expected
                #expect(breaker.restEnded(at: now) == .probe)
            }
        }
        // With a probe of a second before and after it, that is within five seconds.
        #expect(CircuitBreaker.longestRest <= .seconds(3))
    }

    @Test("an answer that comes after all closes it, and an old rest means nothing then")
    func lateAnswer() {
        var breaker = opened()
        #expect(breaker.answered() == .recovered)
        #expect(breaker.restEnded(at: start + .seconds(60)) == .none)
        #expect(breaker.probeFailed(at: start, chance: 0) == .none)
        #expect(breaker.state == .closed)
    }
}

/// The breakers at work, with peers of the test's own.
@Suite("Circuit breakers of a client")
struct EndpointBreakersTests {
    private static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let error = EtcdError(failureClass: .notSent, code: .connect, message: "refused")

    @Test("they probe at once, rest, probe again, and bar the member meanwhile")
    func driver() async throws {
        let member = EtcdEndpoint(scheme: .https, host: "m1", port: 1)
        let other = EtcdEndpoint(scheme: .https, host: "m2", port: 1)
        let answers = Mutex(false)
        let probes = Mutex<[EtcdEndpoint]>([])
        let rests = Mutex<[Duration]>([])
        let breakers = EndpointBreakers(
            [member, other], logger: Self.silent,
            sleep: { rest in
                rests.withLock { $0.append(rest) }
                try await Task.sleep(for: rest)
            }, chance: { 1 },
            probe: { endpoint in
                probes.withLock { $0.append(endpoint) }
                return answers.withLock { $0 }
            })
        #expect(breakers.barred.isEmpty)
        for _ in 0..<CircuitBreaker.tooManyFailures { breakers.failed(member, error) }
        try await eventually("the breaker opens") { breakers.barred == [member] }
        #expect(breakers.refusal(member).failureClass == .notSent)
        try await eventually("it goes on probing") { probes.withLock { $0.count } >= 2 }
        answers.withLock { $0 = true }
        try await eventually("the breaker closes") { breakers.barred.isEmpty }
        #expect(breakers.statuses.map(\.openedCount) == [1, 0])
        #expect(probes.withLock { $0.allSatisfy { $0 == member } })
        #expect(rests.withLock { $0.first } == CircuitBreaker.firstRest)
        breakers.shutDown()
    }

    @Test("which certificates are wrong is told while the member is not asked")
    func wrongCertificates() {
        let member = EtcdEndpoint(scheme: .https, host: "m1", port: 1)
        let breakers = EndpointBreakers([member], logger: Self.silent) { _ in false }
        breakers.failed(
            member, EtcdError(failureClass: .notSent, code: .tls, message: "certificate"))
        #expect(breakers.refusal(nil).code == .tls)
        breakers.failed(member, error)
        #expect(breakers.refusal(nil).code == .unavailable)
        breakers.shutDown()
    }

    @Test("a member that is gone is not asked, fails at once, and is asked again when it is back")
    func recovery() async throws {
        let port = try EtcdClusterPorts.free(1)[0]
        let endpoint = EtcdEndpoint(scheme: .http, host: "127.0.0.1", port: port)
        let client = try ScriptedClient.make([endpoint])
        try await eventually("the breaker opens") {
            _ = await ScriptedClient.putError(client)
            return client.breakers.map(\.state) == [.open]
        }
        let error = await ScriptedClient.putError(client)
        #expect(error?.failureClass == .notSent)
        let peer = try ScriptedPeer(port: port) { _, _ in .answer(200, ScriptedClient.applied) }
        defer { peer.stop() }
        let begin = ContinuousClock.now
        try await eventually("the breaker closes by itself") {
            client.breakers.map(\.state) == [.closed]
        }
        // Longest rest, and as much again for a machine that does many things at once.
        #expect(ContinuousClock.now - begin < .seconds(5))
        #expect(try await client.transaction(ScriptedClient.put).succeeded)
        // The probes asked how it is; no request of a caller was spent on finding that out.
        #expect(peer.requests.count >= 2)
        await client.shutdown()
    }

    @Test("a member that answers is asked, however often requests to it fail")
    func failingRequests() async throws {
        let peer = try ScriptedPeer { _, request in
            request.head.contains("/v3/maintenance/status")
                ? .answer(200, "{}") : .answer(503, "{\"code\":14,\"message\":\"no leader\"}")
        }
        defer { peer.stop() }
        let client = try ScriptedClient.make([peer.endpoint])
        for _ in 0..<12 { _ = await ScriptedClient.putError(client) }
        #expect(client.breakers.map(\.openedCount) == [0])
        #expect(peer.requests.count >= 12)
        await client.shutdown()
    }

    @Test("clients of the same members share breakers, also when one of the clients ends")
    func shared() async throws {
        let port = try EtcdClusterPorts.free(1)[0]
        var configuration = EtcdConfiguration(
            endpoints: [EtcdEndpoint(scheme: .http, host: "127.0.0.1", port: port)])
        configuration.requestTimeout = .seconds(20)
        let client = try EtcdClient(configuration: configuration, logger: Self.silent)
        let bulk = try EtcdClient(
            sharingLoginOf: client, configuration: configuration, logger: Self.silent)
        try await eventually("the breaker opens") {
            _ = try? await bulk.range(EtcdRangeRequest(key: [1]))
            return client.breakers.map(\.state) == [.open]
        }
        await bulk.shutdown()
        let peer = try ScriptedPeer(port: port) { _, _ in .answer(200, ScriptedClient.applied) }
        defer { peer.stop() }
        try await eventually("the breaker closes") { client.breakers.map(\.state) == [.closed] }
        await client.shutdown()
    }
}
