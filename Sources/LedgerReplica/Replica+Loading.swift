import LedgerCore
import LedgerStore
import Logging
import Synchronization

extension Replica {
    /// So often in a row the ledger must contradict itself before that is believed.
    private static var believedContradictions: Int { 3 }
    private static var loadingTimeout: Duration { .seconds(2) }
    private static var longestPause: Nanoseconds { .milliseconds(2_000) }

    /// Reads the ledger, again and again until it succeeds: the service starts when etcd is down.
    ///
    /// - Throws: `LedgerStoreError` where another version wrote this ledger.
    func load() async throws {
        var pause = Nanoseconds.milliseconds(100)
        var contradictions = 0
        while !Task.isCancelled {
            do throws(LedgerStoreError) {
                try await loadOnce()
                return
            } catch {
                switch error.code {
                case .unavailable:
                    send(.headUnreadable(error.notSealedReason))
                    await loadProvisionally()
                case .archive: break
                case .unsupportedFormat:
                    throw error
                case .inconsistent(let reason):
                    contradictions += 1
                    if contradictions >= Self.believedContradictions {
                        send(.loadingFailed(reason))
                        return
                    }
                }
                environment.logger.warning(
                    "the ledger cannot be read yet, trying again",
                    metadata: ["error": "\(error)", "pause_ms": "\(pause.millisecondsRoundedUp)"])
            }
            try? await clock.sleep(for: pause)
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private func loadOnce() async throws(LedgerStoreError) {
        guard await environment.checkMembers() else { throw LedgerStoreError(.unavailable) }
        let begin = clock.now
        let observed = try await store.observe(timeout: Self.loadingTimeout)
        note(observed.member, since: begin)
        let known = try provisional(before: observed.observation)
        let loaded = try await LedgerLoader(store.urgent).load(
            upTo: observed.observation, from: known, indexSeed: environment.random())
        environment.logger.notice(
            "the ledger was read",
            metadata: [
                "head": "\(loaded.head.sequence)",
                "duration_ms": "\((clock.now - begin).millisecondsRoundedUp)",
            ])
        let fence = try await environment.checkPast(loaded, observed.fence)
        state.withLock { $0.storedFence = observed.fence }
        send(.loaded(loaded, fence: fence)) { state, _ in state.provisional = nil }
    }
}
