package import LedgerCore
package import LedgerStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Reads counter and head for everybody who needs the newest, one read for all that wait (PROTOCOL.md 23).
///
/// Who asks gets an observation whose read began after the question; a read that is under way answers only
/// those who asked before it. Every observation goes to the sealer, which thus follows other replicas; without
/// questions one is made every second.
package final class HeadObserver: Service, Sendable {
    private typealias Answer = Result<LedgerObservation, LedgerStoreError>
    private typealias Waiter = CheckedContinuation<Answer, Never>

    private struct State {
        var waiting: [UInt64: Waiter] = [:]
        var nextKey: UInt64 = 0
        var followers = 0
        /// Whether the last read failed.
        var isFailing = false
        var isFinished = false
    }

    private static let idleInterval = Duration.seconds(1)
    /// While somebody follows the ledger, events sealed by other replicas are to be seen soon.
    private static let followingInterval = Duration.milliseconds(100)
    /// While counter and head cannot be read nothing is sealed: that it is over is to be seen soon.
    private static let failingInterval = Duration.milliseconds(200)
    private static let timeout = Duration.seconds(1)

    /// Tells those who follow the ledger of new events.
    let feed = HeadFeed()
    private let state = Mutex(State())
    private let store: LedgerStore
    private let sealer: Sealer
    private let logger: Logger
    private let questions: AsyncStream<Void>
    private let ask: AsyncStream<Void>.Continuation

    package init(store: LedgerStore, sealer: Sealer, logger: Logger) {
        self.store = store
        self.sealer = sealer
        self.logger = logger
        (questions, ask) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Counter and head as they are now, read linearizably, or an error.
    package func observe() async throws(LedgerStoreError) -> LedgerObservation {
        let key = state.withLock { state in
            state.nextKey += 1
            return state.nextKey
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Waiter) in
                let isRefused = state.withLock { state in
                    if state.isFinished || Task.isCancelled { return true }
                    state.waiting[key] = continuation
                    return false
                }
                if isRefused {
                    continuation.resume(returning: .failure(LedgerStoreError(.unavailable)))
                } else {
                    ask.yield()
                }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: key) }?
                .resume(returning: .failure(LedgerStoreError(.unavailable)))
        }
        return try result.get()
    }

    /// Looks for new events more often while `body` runs.
    package func following<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        state.withLock { $0.followers += 1 }
        ask.yield()
        defer { state.withLock { $0.followers -= 1 } }
        return try await body()
    }

    /// How many follow now.
    package var followerCount: Int { state.withLock { $0.followers } }

    package func run() async throws {
        defer { finish() }
        try await cancelWhenGracefulShutdown {
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask {
                    for await _ in self.questions { await self.round() }
                }
                group.addTask {
                    await self.feed.run {
                        await self.sealer.waitUntilCovered($0)
                    } covered: {
                        self.sealer.coveredNumber
                    }
                }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: self.interval)
                        self.ask.yield()
                    }
                }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: Self.idleInterval)
                        await self.sealer.checkMembersOfFullStore()
                    }
                }
            }
        }
    }

    private var interval: Duration {
        state.withLock { state in
            if state.followers > 0 { return Self.followingInterval }
            return state.isFailing ? Self.failingInterval : Self.idleInterval
        }
    }

    /// One read, for all that wait when it begins.
    private func round() async {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        let known = sealer.knownObservation
        let result: Result<LedgerObservation, LedgerStoreError>
        let begin = ContinuousClock.now
        do throws(LedgerStoreError) {
            let observed = try await store.observe(timeout: Self.timeout)
            sealer.recordClock(observed.member, since: begin)
            sealer.noticed(observed.hint)
            result = .success(observed.observation)
        } catch {
            result = .failure(error)
        }
        state.withLock { state in
            if case .failure = result { state.isFailing = true } else { state.isFailing = false }
        }
        switch result {
        case .success(let observation):
            if let known { sealer.noticed(observation, knownBefore: known) }
        case .failure(let error):
            switch error.code {
            // While the ledger is being loaded, loading ends with this.
            case .unsupportedFormat(let found): sealer.foundFormat(found)
            case .unavailable: sealer.headIsUnreadable(error)
            case .inconsistent(let reason): sealer.noticedMalformed(reason)
            }
            logger.debug("counter and head cannot be read", metadata: ["error": "\(error)"])
        }
        for waiter in waiting { waiter.resume(returning: result) }
    }

    private func finish() {
        let waiting = state.withLock { state in
            state.isFinished = true
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for waiter in waiting {
            waiter.resume(returning: .failure(LedgerStoreError(.unavailable)))
        }
    }
}
