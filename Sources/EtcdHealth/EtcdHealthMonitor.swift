package import EtcdGateway
import Foundation
package import Logging
import ServiceLifecycle
import Synchronization
import TaskCoordination

/// Asks every member of etcd at intervals how it is, and keeps what it learned.
///
/// It also feeds the clock guard, and refuses releases of etcd that lose data.
package final class EtcdHealthMonitor: Service, Sendable {
    /// Asks one member, for so long at most.
    package typealias Probe =
        @Sendable (EtcdEndpoint, Duration) async throws(EtcdError) -> EtcdMemberStatus
    /// Takes a member's clock: who it is, whole seconds since 1970, and how long the request took.
    package typealias ClockSink = @Sendable (EtcdMemberStatus, Int64, Duration) -> Void

    /// Clock samples count for 60 s, so members are asked at least this often.
    package static let longestInterval = Duration.seconds(20)
    /// The longest wait of a check that a caller asked for.
    package static let longestCheckOnDemand = Duration.seconds(1)

    private struct State {
        var members: [EtcdMemberHealth]
        var onDemand: Task<Void, Never>?
        var reportedVersions: Set<String> = []
    }

    private let state: Mutex<State>
    private let interval: Duration
    private let pingTimeout: Duration
    private let probe: Probe
    private let onClockSample: ClockSink
    private let onLeader: @Sendable (EtcdEndpoint) -> Void
    private let onRound: @Sendable (EtcdRound) -> Void
    private let longestPause: @Sendable () -> Duration
    private let sleep: @Sendable (Duration) async throws -> Void
    private let logger: Logger

    /// Makes a monitor.
    ///
    /// - Parameters:
    ///   - endpoints: the members.
    ///   - interval: time between two rounds, at most `longestInterval`.
    ///   - pingTimeout: the longest wait for one member.
    ///   - probe: asks a member.
    ///   - onClockSample: takes each member's clock.
    ///   - onLeader: takes the address of the member that leads, whenever one says so.
    ///   - onRound: takes what all members together have said, whenever all were asked.
    ///   - longestPause: asked after each round, how soon the next one has to be at the latest.
    ///   - sleep: waits; replaced in tests.
    package init(
        endpoints: [EtcdEndpoint], interval: Duration, pingTimeout: Duration, logger: Logger,
        probe: @escaping Probe, onClockSample: @escaping ClockSink = { _, _, _ in },
        onLeader: @escaping @Sendable (EtcdEndpoint) -> Void = { _ in },
        onRound: @escaping @Sendable (EtcdRound) -> Void = { _ in },
        longestPause: @escaping @Sendable () -> Duration = { EtcdHealthMonitor.longestInterval },
        sleep: @escaping @Sendable (Duration) async throws -> Void = {
            try await Task.sleep(for: $0)
        }
    ) {
        state = Mutex(State(members: endpoints.map { EtcdMemberHealth(endpoint: $0) }))
        self.interval = min(interval, Self.longestInterval)
        self.pingTimeout = pingTimeout
        self.probe = probe
        self.onClockSample = onClockSample
        self.onLeader = onLeader
        self.onRound = onRound
        self.longestPause = longestPause
        self.sleep = sleep
        self.logger = logger
    }

    /// Makes a monitor of a client's members.
    package convenience init(
        client: EtcdClient, interval: Duration, pingTimeout: Duration, logger: Logger,
        onClockSample: @escaping ClockSink = { _, _, _ in },
        onRound: @escaping @Sendable (EtcdRound) -> Void = { _ in },
        longestPause: @escaping @Sendable () -> Duration = { EtcdHealthMonitor.longestInterval }
    ) {
        self.init(
            endpoints: client.endpoints, interval: interval, pingTimeout: pingTimeout,
            logger: logger,
            probe: { endpoint, timeout throws(EtcdError) in
                try await client.status(
                    of: endpoint, options: EtcdRequestOptions(timeout: timeout, only: endpoint))
            }, onClockSample: onClockSample,
            // Who asks the leader saves the others a hop.
            onLeader: { client.prefer($0) }, onRound: onRound, longestPause: longestPause)
    }

    /// What was last learned of each member, in the order of the setting.
    package var members: [EtcdMemberHealth] {
        state.withLock { $0.members }
    }

    /// The version of a member that may lose committed transactions; nothing may be sealed while
    /// there is one.
    package var unsafeVersion: String? {
        let now = Date()
        return members.lazy.compactMap { $0.unsafeVersion(at: now) }.first
    }

    private static let unwellInterval = Duration.seconds(2)

    /// Asks all members until the service group stops.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.check(timeout: self.pingTimeout)
                do {
                    try await self.sleep(self.pause)
                } catch {
                    return
                }
            }
        }
    }

    /// A member that is not well, or was not there at the start, is asked again soon: the verdict on the own clock needs
    /// most of them.
    private var pause: Duration {
        let pause = min(interval, longestPause())
        return members.allSatisfy { $0.condition == .healthy }
            ? pause : min(pause, Self.unwellInterval)
    }

    /// Asks all members now, for at most a second; callers at the same time share one check. A caller that is cancelled
    /// does not wait for it.
    package func checkOnDemand() async -> [EtcdMemberHealth] {
        let check = state.withLock { state in
            if let running = state.onDemand {
                return running
            }
            // A task of its own, for it must not end with the first of its callers.
            let task = Task {
                await self.check(timeout: min(self.pingTimeout, Self.longestCheckOnDemand))
                self.state.withLock { $0.onDemand = nil }
            }
            state.onDemand = task
            return task
        }
        // Nothing but the check's own end would end the waiting for a task's value.
        _ = await first(within: nil) { await check.value }
        return members
    }

    /// Asks all members at once and records each answer as it comes.
    package func check(timeout: Duration) async {
        let began = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            for (index, member) in members.enumerated() {
                group.addTask {
                    await self.check(index, member.endpoint, timeout)
                }
            }
        }
        onRound(EtcdRound(began: began, members, at: Date()))
    }

    private func check(
        _ index: Int, _ endpoint: EtcdEndpoint, _ timeout: Duration
    ) async {
        let start = ContinuousClock.now
        let result: Result<EtcdMemberStatus, EtcdError>
        do throws(EtcdError) {
            result = .success(try await probe(endpoint, timeout))
        } catch {
            // A check that the shutdown interrupted says nothing about the member.
            guard error.code != .cancelled, error.code != .shutDown else { return }
            result = .failure(error)
        }
        let duration = start.duration(to: .now)
        record(result, of: index, after: duration)
        guard case .success(let status) = result else { return }
        if let date = status.date { onClockSample(status, date, duration) }
        if status.isLeader { onLeader(endpoint) }
    }

    private func record(
        _ result: Result<EtcdMemberStatus, EtcdError>, of index: Int, after duration: Duration
    ) {
        let (before, after, isNews) = state.withLock { state in
            let before = state.members[index].condition
            state.members[index].record(result, after: duration, at: Date())
            let member = state.members[index]
            let isNews =
                member.condition == .unsafeVersion
                && state.reportedVersions.insert(member.status?.version ?? "").inserted
            return (before, member, isNews)
        }
        if isNews {
            logger.error(
                "this release of etcd can lose committed transactions, nothing will be sealed",
                metadata: [
                    "member": "\(after.endpoint.hostPort)",
                    "version": "\(after.status?.version ?? "")",
                ])
        }
        guard before != after.condition else { return }
        logger.notice(
            "the condition of a member of etcd changed",
            metadata: [
                "member": "\(after.endpoint.hostPort)", "condition": "\(after.condition)",
            ])
    }
}
