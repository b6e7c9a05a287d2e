import EtcdGateway
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import EtcdHealth

@Suite("Health of etcd's members")
struct EtcdHealthMonitorTests {
    /// What the members of a test answer, and what was asked.
    final class Members: Sendable {
        private let answers = Mutex<[EtcdEndpoint: Result<EtcdMemberStatus, EtcdError>]>([:])
        let asked = Atomic<Int>(0)
        let timeouts = Mutex<[Duration]>([])
        let samples = Mutex<[(UInt64, Int64)]>([])
        let rounds = Mutex<[EtcdRound]>([])

        func set(_ endpoint: EtcdEndpoint, _ answer: Result<EtcdMemberStatus, EtcdError>) {
            answers.withLock { $0[endpoint] = answer }
        }

        func answer(
            _ endpoint: EtcdEndpoint, _ timeout: Duration
        ) throws(EtcdError) -> EtcdMemberStatus {
            asked.add(1, ordering: .relaxed)
            timeouts.withLock { $0.append(timeout) }
            let answer = answers.withLock { $0[endpoint] }
            return try (answer ?? .failure(EtcdSamples.unreachable())).get()
        }
    }

    /// A number that several tasks count up.
    final class Counter: Sendable {
        private let number = Atomic<Int>(0)

        var value: Int { number.load(ordering: .relaxed) }

        func increment() {
            number.add(1, ordering: .relaxed)
        }
    }

    private let members = Members()
    private let endpoints = [1, 2, 3].map(EtcdSamples.endpoint)

    private func monitor(
        sleep: @escaping @Sendable (Duration) async throws -> Void = { _ in
            throw CancellationError()
        }
    ) -> EtcdHealthMonitor {
        EtcdHealthMonitor(
            endpoints: endpoints, interval: .seconds(30), pingTimeout: .seconds(5),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            probe: { [members] endpoint, timeout throws(EtcdError) in
                try members.answer(endpoint, timeout)
            },
            onClockSample: { [members] status, seconds, _ in
                members.samples.withLock { $0.append((status.memberID, seconds)) }
            }, onRound: { [members] round in members.rounds.withLock { $0.append(round) } },
            sleep: sleep)
    }

    @Test("Each member is judged by its own answer")
    func conditions() async {
        members.set(endpoints[0], .success(EtcdSamples.status(of: endpoints[0])))
        members.set(endpoints[1], .failure(EtcdSamples.unreachable(.connect)))
        members.set(endpoints[2], .success(EtcdSamples.status(of: endpoints[2], leader: 0)))
        let monitor = monitor()
        #expect(monitor.members.map(\.condition) == [.unchecked, .unchecked, .unchecked])
        let found = await monitor.checkOnDemand()
        #expect(found.map(\.endpoint) == endpoints)
        #expect(found[0].condition == .healthy)
        #expect(found[1].condition == .unreachable(.connect))
        #expect(found[2].condition == .impaired("the member knows no leader"))
        #expect(found.allSatisfy { $0.lastCheck != nil })
    }

    @Test("Alarms and learners are impaired, and a member's own words are not repeated")
    func impaired() async {
        let alarmed = EtcdSamples.status(of: endpoints[0], errors: ["some secret"])
        members.set(endpoints[0], .success(alarmed))
        members.set(
            endpoints[1], .success(EtcdSamples.status(of: endpoints[1], isLearner: true)))
        let found = await monitor().checkOnDemand()
        for member in found.prefix(2) {
            guard case .impaired(let reason) = member.condition else {
                Issue.record("not impaired: \(member.condition)")
                continue
            }
            #expect(!reason.contains("secret"))
        }
    }

    @Test("A member that went away keeps its last answer, and comes back")
    func changes() async {
        let monitor = monitor()
        members.set(endpoints[0], .success(EtcdSamples.status(of: endpoints[0])))
        await monitor.check(timeout: .seconds(1))
        members.set(endpoints[0], .failure(EtcdSamples.unreachable()))
        await monitor.check(timeout: .seconds(1))
        #expect(monitor.members[0].condition == .unreachable(.timeout))
        #expect(monitor.members[0].status?.version == "3.5.21")
        members.set(endpoints[0], .success(EtcdSamples.status(of: endpoints[0])))
        await monitor.check(timeout: .seconds(1))
        #expect(monitor.members[0].condition == .healthy)
    }

    @Test("A release that can lose data is told for as long as a member has it")
    func unsafeVersion() async {
        let monitor = monitor()
        #expect(monitor.unsafeVersion == nil)
        members.set(
            endpoints[1], .success(EtcdSamples.status(of: endpoints[1], version: "3.5.1")))
        await monitor.check(timeout: .seconds(1))
        #expect(monitor.unsafeVersion == "3.5.1")
        #expect(monitor.members[1].condition == .unsafeVersion)
        members.set(endpoints[1], .failure(EtcdSamples.unreachable()))
        await monitor.check(timeout: .seconds(1))
        #expect(monitor.unsafeVersion == "3.5.1")
        members.set(endpoints[1], .success(EtcdSamples.status(of: endpoints[1])))
        await monitor.check(timeout: .seconds(1))
        #expect(monitor.unsafeVersion == nil)
    }

    @Test(
        "Whoever seals is told after each round of refused releases and of alarms, and when they are over"
    )
    func rounds() async {
        let monitor = monitor()
        func round() async -> EtcdRound? {
            await monitor.check(timeout: .seconds(1))
            return members.rounds.withLock { $0.last }
        }
        // Nobody answers: nothing is known.
        var last = await round()
        #expect(last?.hasNoSpace == nil && last?.refusedRelease == nil)
        members.set(
            endpoints[1], .success(EtcdSamples.status(of: endpoints[1], version: "3.5.1")))
        last = await round()
        #expect(last?.hasNoSpace == false && last?.refusedRelease == "3.5.1")
        members.set(
            endpoints[1],
            .success(
                EtcdSamples.status(of: endpoints[1], errors: ["memberID:1 alarm:NOSPACE "])))
        last = await round()
        #expect(last?.hasNoSpace == true && last?.refusedRelease == nil)
        // A member that is gone has no say, whatever it said last.
        members.set(endpoints[1], .failure(EtcdSamples.unreachable()))
        members.set(endpoints[0], .success(EtcdSamples.status(of: endpoints[0])))
        last = await round()
        #expect(last?.hasNoSpace == false)
    }

    @Test("A member of a refused release that does not answer is gone after a minute")
    func unsafeVersionGone() {
        var member = EtcdMemberHealth(endpoint: endpoints[0])
        let start = Date(timeIntervalSince1970: 1_700_000_000)
        member.record(
            .success(EtcdSamples.status(of: endpoints[0], version: "3.5.2")), after: .zero,
            at: start)
        #expect(member.unsafeVersion(at: start + 3_600) == "3.5.2")
        member.record(.failure(EtcdSamples.unreachable()), after: .zero, at: start + 20)
        #expect(member.unsafeVersion(at: start + 59) == "3.5.2")
        #expect(member.unsafeVersion(at: start + 61) == nil)
    }

    @Test("The clock of every member that answers is handed on")
    func clocks() async {
        members.set(
            endpoints[0], .success(EtcdSamples.status(of: endpoints[0], date: 1_700_000_001)))
        members.set(endpoints[1], .success(EtcdSamples.status(of: endpoints[1], date: nil)))
        await monitor().check(timeout: .seconds(1))
        let samples = members.samples.withLock { $0 }
        #expect(samples.count == 1)
        #expect(samples.first?.0 == 1)
        #expect(samples.first?.1 == 1_700_000_001)
    }

    @Test("An interrupted check says nothing about a member")
    func interrupted() async {
        let monitor = monitor()
        members.set(endpoints[0], .success(EtcdSamples.status(of: endpoints[0])))
        await monitor.check(timeout: .seconds(1))
        members.set(endpoints[0], .failure(EtcdSamples.unreachable(.cancelled)))
        await monitor.check(timeout: .seconds(1))
        #expect(monitor.members[0].condition == .healthy)
    }

    @Test("A check on demand waits a second at most, one in the background as long as is set")
    func timeouts() async throws {
        _ = await monitor().checkOnDemand()
        let onDemand = try #require(members.timeouts.withLock { $0.max() })
        #expect(onDemand <= .seconds(1))
        try await monitor().run()
        let background = try #require(members.timeouts.withLock { $0.max() })
        #expect(background > .seconds(1) && background <= .seconds(5))
    }

    @Test("Callers at the same time share one check")
    func shared() async throws {
        let gate = AsyncStream.makeStream(of: Void.self)
        let asked = Mutex(0)
        let endpoint = endpoints[0]
        let monitor = EtcdHealthMonitor(
            endpoints: [endpoint], interval: .seconds(30), pingTimeout: .seconds(5),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            probe: { endpoint, _ throws(EtcdError) in
                asked.withLock { $0 += 1 }
                for await _ in gate.stream {}
                return EtcdSamples.status(of: endpoint)
            })
        let called = Counter()
        try await withThrowingTaskGroup(of: EtcdMemberHealth.Condition?.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    called.increment()
                    return await monitor.checkOnDemand().first?.condition
                }
            }
            try await eventually("all have called") { called.value == 20 }
            gate.continuation.finish()
            for try await condition in group {
                #expect(condition == .healthy)
            }
        }
        // A caller that was held up until the first check's end may have begun another one.
        #expect(asked.withLock { $0 } < 20)
        #expect(asked.withLock { $0 } >= 1)
    }

    /// How long a running monitor pauses between its first rounds.
    private func pauses() async throws -> [Duration] {
        let slept = Mutex<[Duration]>([])
        let monitor = monitor { duration in
            let rounds = slept.withLock { slept in
                slept.append(duration)
                return slept.count
            }
            if rounds == 3 { throw CancellationError() }
        }
        try await monitor.run()
        return slept.withLock { $0 }
    }

    @Test("Running, it asks at intervals that keep the clock samples fresh, until it is cancelled")
    func running() async throws {
        for endpoint in endpoints {
            members.set(endpoint, .success(EtcdSamples.status(of: endpoint)))
        }
        #expect(try await pauses() == Array(repeating: .seconds(20), count: 3))
        #expect(members.asked.load(ordering: .relaxed) == 9)
    }

    @Test("Members that are not well are asked again soon")
    func unwell() async throws {
        members.set(endpoints[0], .success(EtcdSamples.status(of: endpoints[0])))
        #expect(try await pauses() == Array(repeating: .seconds(2), count: 3))
    }
}
