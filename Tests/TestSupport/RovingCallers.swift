import GRPCCore
import LedgerAPI
import Synchronization

/// Callers as they are in production: each event goes to the next replica, and to others after it
/// until its fate is settled.
///
/// Every fourth event is given up where the first answers refuse it with certainty: what such an
/// answer promises can only be seen on events that nobody submits again.
package final class RovingCallers: Sendable {
    /// Between two events of one caller.
    private static let pause = Duration.milliseconds(40)
    /// Before an event is submitted for the third time, and later times.
    private static let retryPause = Duration.milliseconds(20)

    private let rota: ReplicaRota
    private let log: SubmissionLog
    private let deadline: Duration
    private let isStopping = Atomic(false)
    private let acknowledged = Atomic(0)
    private let tasks = Mutex<[Task<Void, Never>]>([])

    /// - Parameter deadline: How long one submission may take; it does where a replica is paused.
    package init(
        _ rota: ReplicaRota, log: SubmissionLog, callers: Int, prefix: String, deadline: Duration
    ) {
        self.rota = rota
        self.log = log
        self.deadline = deadline
        let started = (1...callers).map { caller in
            // Unstructured: the load goes on beside what the test does.
            Task { await self.run("\(prefix)-\(caller)") }
        }
        tasks.withLock { $0 = started }
    }

    /// How many events are known to be sealed.
    package var acknowledgedCount: Int { acknowledged.load(ordering: .relaxed) }

    /// Stops after the events that are open, which are still settled.
    package func stop() async {
        isStopping.store(true, ordering: .relaxed)
        for task in tasks.withLock({ $0 }) { await task.value }
    }

    private func run(_ name: String) async {
        var count = 0
        while !isStopping.load(ordering: .relaxed) {
            count += 1
            await settle(.sample("\(name)-\(count)"), mayGiveUp: count % 4 == 0)
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// Submits an event to one replica after another; what is never settled stays open in the log.
    private func settle(_ event: Ledger_CertifiedEvent, mayGiveUp: Bool) async {
        let end = ContinuousClock.now + LedgerCalls.longestCall
        var attempts = 0
        var isOpen = false
        while ContinuousClock.now < end {
            attempts += 1
            if attempts > 2 { try? await Task.sleep(for: Self.retryPause) }
            guard let replica = rota.next() else { continue }
            let answer = await log.record(event) {
                await replica.calls.submit($0, timeout: deadline)
            }
            switch answer {
            case .sealed, .duplicate:
                acknowledged.add(1, ordering: .relaxed)
                return
            case .conflicting:
                return
            case .notSealed(let code, _):
                if mayGiveUp, !isOpen { return }
                if code == .unavailable { rota.avoid(replica.number) }
            case .unknown:
                isOpen = true
                rota.avoid(replica.number)
            }
        }
    }
}
