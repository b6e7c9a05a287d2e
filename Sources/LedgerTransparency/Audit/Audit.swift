package import LedgerCore
package import LedgerReplica
package import LedgerStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Verifies the stored ledger again and again, in the background and at a bounded rate, from the bytes in etcd: the
/// chain, the tree, tiles, ids and the checkpoint.
///
/// Its reads come after all others. A finding is logged, counted and kept until the process ends; it stops nothing by
/// itself. What shows that the store was rolled back the replica sees with its next look at the head, and fences
/// (protocol.md 8).
package final class Audit: Service {
    /// About so many bytes are read at a time, so that verifying them keeps no processor from a batch for long.
    private static let pageBytes = 256 << 10
    /// Enough between pages of that size; where the rate makes it wait anyhow, more would only make it slower.
    private static let longestPause = Duration.milliseconds(5)

    private let machine: Mutex<AuditMachine>
    private let store: LedgerStore
    private let loader: LedgerLoader
    private let reader: StatementReader
    private let clock: any ReplicaClock
    private let known: @Sendable () -> Head?
    private let onFinding: @Sendable (VerificationFinding) -> Void
    private let logger: Logger

    /// - Parameters:
    ///   - known: the newest head that this replica knows by itself, which is part of what is verified.
    ///   - onFinding: called once for each finding.
    package init(
        _ settings: AuditSettings, store: LedgerStore, trust: CheckpointTrust,
        clock: any ReplicaClock, logger: Logger, known: @escaping @Sendable () -> Head?,
        onFinding: @escaping @Sendable (VerificationFinding) -> Void
    ) {
        machine = Mutex(AuditMachine(settings))
        self.store = store.patient
        loader = LedgerLoader(store.patient)
        reader = StatementReader(store.patient, trust: trust)
        self.clock = clock
        self.known = known
        self.onFinding = onFinding
        self.logger = logger
    }

    /// How far it is, and what it found.
    package var report: AuditReport { machine.withLock { $0.report } }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.audit() }
    }

    private func audit() async {
        var feed: (run: AuditRun, reads: VerifierFeed)?
        while !Task.isCancelled {
            do {
                switch machine.withLock({ $0.next(at: clock.now) }) {
                case .wait(let until):
                    try await clock.sleep(for: max(until - clock.now, .milliseconds(1)))
                case .look:
                    // Before the store is asked: it never shows less.
                    let statement = try await reader.read(known: newestKnown)
                    machine.withLock { $0.looked(statement, at: clock.now) }
                case .restore(let size):
                    let base = try await loader.base(size: size)
                    machine.withLock { $0.restored(base, at: clock.now) }
                case .read(let need, let run, let head):
                    if feed?.run != run {
                        feed = (run, reads(through: head))
                    }
                    feed?.reads.extend(through: head)
                    let (began, paused) = (clock.now, feed?.reads.paused ?? .zero)
                    guard let answer = try await feed?.reads.read(need) else { continue }
                    machine.withLock { $0.took(answer, at: clock.now) }
                    let pause = (feed?.reads.paused ?? .zero) - paused
                    machine.withLock { $0.worked(for: clock.now - began - Nanoseconds(pause)) }
                }
            } catch let error as LedgerStoreError {
                failed(error)
            } catch {
                // Cancelled, or the clock was stopped.
                return
            }
            tell()
        }
    }

    private func reads(through head: SequenceNumber) -> VerifierFeed {
        VerifierFeed(
            store, through: head, pageBytes: Self.pageBytes, longestPause: Self.longestPause)
    }

    private var newestKnown: Head? {
        let verified = machine.withLock { $0.verifiedHead }
        let known = known()
        guard let verified, let known else { return verified ?? known }
        return known.sequence > verified.sequence ? known : verified
    }

    private func failed(_ error: LedgerStoreError) {
        if Task.isCancelled { return }
        switch error.code {
        case .inconsistent(let reason):
            machine.withLock { $0.contradicted(reason, at: clock.now) }
        case .unavailable, .unsupportedFormat, .archive:
            logger.debug("the audit could not read", metadata: ["error": "\(error)"])
            machine.withLock { $0.failed(at: clock.now) }
        }
    }

    private func tell() {
        for news in machine.withLock({ $0.takeNews() }) {
            switch news {
            case .passEnded(let pass, let events, let took, let isClean):
                logger.notice(
                    isClean
                        ? "the audit has verified every stored event"
                        : "a pass of the audit has come to the head, with findings",
                    metadata: [
                        "pass": "\(pass)", "events": "\(events)", "seconds": "\(took.seconds)",
                    ])
            case .found(let finding, let isKept):
                onFinding(finding)
                guard isKept else { continue }
                logger.critical(
                    "the audit found that the stored ledger was changed",
                    metadata: ["finding": "\(finding)"])
            case .foundMore(let count):
                logger.critical(
                    "the audit found more than it tells one by one",
                    metadata: ["findings": "\(count)", "told": "\(AuditReport.maxFindings)"])
            case .failing:
                logger.info("the audit cannot read from etcd, and goes on trying")
            case .recovered:
                logger.info("the audit goes on")
            }
        }
    }
}
