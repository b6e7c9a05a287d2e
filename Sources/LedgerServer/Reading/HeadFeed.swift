import LedgerCore
package import LedgerReplica
import ServiceLifecycle
import Synchronization

/// Tells everybody who follows the ledger that there is more, all at once.
///
/// However many follow, the sealing side has one waiter, the feed's pump: followers are woken beside it, without its
/// locks, and the more there are the more events they are told of at a time.
package final class HeadFeed: Service {
    private typealias Continuation = CheckedContinuation<Void, Never>

    /// So long the feed rests after waking, for each follower that it woke: 10,000 of them hear of new events 20 times
    /// a second.
    private static let restPerFollower = Duration.microseconds(5)

    private struct State {
        var head = SequenceNumber.zero
        var waiting: [UInt64: Continuation] = [:]
        var nextKey: UInt64 = 0
    }

    private let state = Mutex(State())
    private let replica: Replica?

    /// - Parameter replica: whose index is followed.
    package init(replica: Replica?) {
        self.replica = replica
    }

    /// How many wait for new events.
    var waiting: Int { state.withLock { $0.waiting.count } }

    /// Waits until there is an event after a number, and returns the newest number; or returns because the task is
    /// cancelled.
    func head(after number: SequenceNumber) async -> SequenceNumber {
        while !Task.isCancelled {
            let (head, key) = state.withLock { state in
                state.nextKey += 1
                return (state.head, state.nextKey)
            }
            if head > number { return head }
            await wait(key, after: number)
        }
        return number
    }

    private func wait(_ key: UInt64, after number: SequenceNumber) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { state -> Continuation? in
                    if state.head > number || Task.isCancelled { return continuation }
                    state.waiting[key] = continuation
                    return nil
                }?.resume()
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: key) }?.resume()
        }
    }

    /// Wakes followers as the index covers more, until the service stops.
    package func run() async {
        await cancelWhenGracefulShutdown {
            guard let replica = self.replica else { return }
            while !Task.isCancelled {
                await replica.waitUntilCovered(self.state.withLock { $0.head.next })
                guard let head = replica.coveredNumber else { continue }
                let woken = self.publish(head)
                try? await Task.sleep(for: Self.restPerFollower * woken)
            }
        }
    }

    /// - Returns: how many were woken.
    func publish(_ head: SequenceNumber) -> Int {
        let woken = state.withLock { state -> [UInt64: Continuation] in
            guard head > state.head else { return [:] }
            state.head = head
            return exchange(&state.waiting, with: [:])
        }
        for continuation in woken.values { continuation.resume() }
        return woken.count
    }
}
