package import LedgerCore
package import LedgerStore
import Synchronization

/// Reads counter and head for everybody who needs the newest, one read for all that wait (protocol.md 23).
///
/// Who asks gets an observation whose read began after the question; a read that is under way answers only
/// those who asked before it. Every observation goes to the core, which thus follows other replicas; without
/// questions one is made every second at least.
package final class HeadObserver: Sendable {
    package typealias Answer = Result<LedgerObservation, LedgerStoreError>
    private typealias Waiter = CheckedContinuation<Answer, Never>

    private struct State {
        var waiting: [(key: UInt64, waiter: Waiter)] = []
        var nextKey: UInt64 = 0
        var followers = 0
        /// Whether the last read failed.
        var isFailing = false
        var pace = LookingPace()
        var isFinished = false
    }

    private static let membersInterval = Nanoseconds.milliseconds(1_000)
    /// While somebody follows the ledger, events sealed by other replicas are to be seen soon.
    private static let followingInterval = Nanoseconds.milliseconds(100)
    /// While counter and head cannot be read nothing is sealed: that it is over is to be seen soon.
    private static let failingInterval = Nanoseconds.milliseconds(200)

    private let state = Mutex(State())
    private let clock: any ReplicaClock
    private let questions: AsyncStream<Void>
    private let ask: AsyncStream<Void>.Continuation

    init(clock: any ReplicaClock) {
        self.clock = clock
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
                    state.waiting.append((key, continuation))
                    return false
                }
                if isRefused {
                    continuation.resume(returning: .failure(LedgerStoreError(.unavailable)))
                } else {
                    ask.yield()
                }
            }
        } onCancel: {
            state.withLock { state -> Waiter? in
                guard let place = state.waiting.firstIndex(where: { $0.key == key }) else {
                    return nil
                }
                return state.waiting.remove(at: place).waiter
            }?.resume(returning: .failure(LedgerStoreError(.unavailable)))
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

    /// Answers questions until the task is cancelled.
    ///
    /// - Parameters:
    ///   - known: the head that is known here without a read.
    ///   - read: reads counter and head once.
    func run(known: () -> SequenceNumber?, _ read: () async -> Answer) async {
        for await _ in questions { await round(known, read) }
        finish()
    }

    /// Asks by itself from time to time, until the task is cancelled.
    ///
    /// - Parameter asksMembers: done as well, about once a second.
    func keepAsking(asksMembers: () async -> Void) async {
        var membersAsked = clock.now
        while !Task.isCancelled {
            try? await clock.sleep(for: interval)
            ask.yield()
            guard clock.now - membersAsked >= Self.membersInterval else { continue }
            membersAsked = clock.now
            await asksMembers()
        }
    }

    private var interval: Nanoseconds {
        state.withLock { state in
            if state.followers > 0 { return Self.followingInterval }
            return state.isFailing ? Self.failingInterval : state.pace.interval
        }
    }

    /// One read, for all that wait when it begins.
    private func round(_ known: () -> SequenceNumber?, _ read: () async -> Answer) async {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        let before = known()
        let result = await read()
        let now = clock.now
        state.withLock { state in
            switch result {
            case .failure: state.isFailing = true
            case .success(let observation):
                state.isFailing = false
                let found = observation.head.sequence.rawValue
                let known = before?.rawValue ?? found
                state.pace.saw(found > known ? found - known : 0, at: now)
            }
        }
        for (_, waiter) in waiting { waiter.resume(returning: result) }
    }

    func finish() {
        let waiting = state.withLock { state in
            state.isFinished = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for (_, waiter) in waiting {
            waiter.resume(returning: .failure(LedgerStoreError(.unavailable)))
        }
    }
}
