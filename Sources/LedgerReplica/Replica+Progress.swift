import LedgerCore
import LedgerStore
import Logging
import Synchronization

/// Telling how far loading has come, and reading events by number meanwhile (design.md, "Starting").
///
/// What is at or below a head that was read linearizably is sealed, and etcd's keys lead to its block without an index.
/// Nothing is said not to exist, and nothing is sealed, before the ids of all events are known.
extension Replica {
    /// So often loading says how far it has come; what is loaded sooner says nothing.
    private static var progressInterval: Nanoseconds { .milliseconds(2_000) }

    /// How far loading has come, where reads are served meanwhile.
    package var loading: LoadingProgress? {
        state.withLock { $0.loading.flatMap { $0.servesReads ? $0 : nil } }
    }

    /// Loading begins, or begins anew.
    ///
    /// - Returns: what is called with the number of events that the index covers.
    func beginLoading(
        _ head: SequenceNumber, from known: LedgerState?, at begin: MonotonicInstant
    ) -> @Sendable (UInt64) -> Void {
        let covered = known?.head.sequence.rawValue ?? 0
        state.withLock { state in
            var progress = LoadingProgress(head: head, events: covered)
            progress.servesReads = state.loading?.servesReads ?? false
            state.loading = progress
            state.lastProgress = begin
        }
        return { [weak self] events in self?.loaded(events, from: covered, since: begin) }
    }

    private func loaded(_ events: UInt64, from covered: UInt64, since begin: MonotonicInstant) {
        let now = clock.now
        let isDue = state.withLock { state in
            guard now - state.lastProgress >= Self.progressInterval else { return false }
            state.lastProgress = now
            return true
        }
        guard isDue else { return }
        let rate = Double(events - min(covered, events)) / max((now - begin).seconds, 0.001)
        send(.tick) { state, _ in
            state.loading?.events = events
            state.loading?.eventsPerSecond = UInt64(rate)
            state.loading?.servesReads = true
        }
        guard let progress = loading else { return }
        environment.logger.notice(
            "the ids of events are being loaded",
            metadata: [
                "events": "\(events)", "head": "\(progress.head)", "percent": "\(progress.percent)",
                "events_per_s": "\(progress.eventsPerSecond)",
            ])
    }

    /// Loading cannot go on: what has left etcd cannot be read from the archive. It is tried again and again; nothing is
    /// said against the ledger by that, and nothing is sealed.
    func loadingWaits(for trouble: ArchiveTrouble) {
        send(.tick) { state, _ in
            state.loading?.trouble = "\(trouble)"
            switch trouble {
            // It will not end by itself.
            case .notConfigured: state.loading?.servesReads = false
            case .unavailable, .contradicts: state.loading?.servesReads = true
            }
        }
    }
}
