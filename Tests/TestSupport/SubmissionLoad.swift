import LedgerAPI
import Synchronization

/// Callers that submit one event after another, each event once, until they are told to stop.
package final class SubmissionLoad: Sendable {
    private let log: SubmissionLog
    private let isStopping = Atomic(false)
    private let tasks = Mutex<[Task<Void, Never>]>([])

    /// - Parameters:
    ///   - calls: The connections; callers use them in turn.
    ///   - callers: How many submit at the same time.
    ///   - prefix: What the ids begin with; two loads with one prefix submit the same events.
    package init(
        _ calls: [LedgerCalls], log: SubmissionLog, callers: Int, prefix: String,
        payloadBytes: Int = 64
    ) {
        self.log = log
        let started = (0..<callers).map { caller in
            // Unstructured: the load goes on beside what the test does.
            Task {
                await self.run(
                    calls[caller % calls.count], "\(prefix)-\(caller)", payloadBytes)
            }
        }
        tasks.withLock { $0 = started }
    }

    private func run(_ calls: LedgerCalls, _ name: String, _ payloadBytes: Int) async {
        var count = 0
        while !isStopping.load(ordering: .relaxed) {
            count += 1
            let event = Ledger_CertifiedEvent.sample("\(name)-\(count)", payloadBytes: payloadBytes)
            let answer = await log.record(event) { await calls.submit($0) }
            // A caller that is turned away comes back a little later.
            if !answer.isProofOfSealing { try? await Task.sleep(for: .milliseconds(20)) }
        }
    }

    /// Stops after the calls that are open, which are still answered and recorded.
    package func stop() async {
        isStopping.store(true, ordering: .relaxed)
        for task in tasks.withLock({ $0 }) { await task.value }
    }
}
