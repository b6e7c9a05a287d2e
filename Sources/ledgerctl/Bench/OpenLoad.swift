internal import LedgerClient
internal import Synchronization
internal import TaskCoordination

/// Events at a constant rate: an open loop, as callers are who don't know of each other.
///
/// Latencies count from when an event was due, not from when it was sent: a service that stalls
/// would otherwise hold up the very events that show it.
struct OpenLoad {
    let run: BenchRun
    let connections: [BenchConnection]

    /// What was measured, and how often an event had to wait for the cap of unanswered ones.
    func perform() async -> (tally: BenchTally, waits: Int) {
        let shared = Shared()
        let room = Gate(permits: run.plan.openLoopCap)
        var waits = 0
        let start = BenchClock.microseconds
        await withDiscardingTaskGroup { group in
            var index = 0
            while run.mayGoOn, !Task.isCancelled {
                let due = start + UInt64(Double(index) * 1e6 / run.plan.rate)
                let now = BenchClock.microseconds
                if due > now {
                    try? await Task.sleep(for: .microseconds(due - now), tolerance: .zero)
                    continue
                }
                if shared.unanswered.load(ordering: .relaxed) >= run.plan.openLoopCap { waits += 1 }
                guard await room.acquire() == 1 else { return }
                shared.unanswered.add(1, ordering: .relaxed)
                let connection = connections[index % connections.count]
                index += 1
                group.addTask { [run] in
                    await connection.submit(run, from: due) { sample in
                        shared.tally.withLock { tally in
                            tally.record(sample, contractMs: run.plan.contractMs)
                        }
                    }
                    shared.unanswered.subtract(1, ordering: .relaxed)
                    room.release()
                }
            }
        }
        return (shared.tally.withLock { $0 }, waits)
    }

    /// What the events under way share.
    private final class Shared: Sendable {
        let tally = Mutex(BenchTally())
        let unanswered = Atomic(0)
    }
}
