import LedgerCore
import LedgerStore
import Logging
import Synchronization

/// Starting without a quorum (design.md, "Reading"): what the members that answer have of the ledger is read, and served
/// as far as it goes.
///
/// Such a copy may be behind: nothing is sealed on it, and nothing is said not to exist. But what it has is sealed, for
/// a member applies what the quorum has committed and nothing else.
extension Replica {
    /// How long one member may take to show its counter and head.
    private static var copyTimeout: Duration { .seconds(1) }

    /// Reads the copy of the member that is furthest ahead, where that is further than what was read before.
    func loadProvisionally() async {
        let best = await store.observeCopies(timeout: Self.copyTimeout)
        guard let best, best.observation.head.sequence > (readableNumber ?? .zero) else { return }
        let known = state.withLock { $0.provisional }
        do throws(LedgerStoreError) {
            let loader = LedgerLoader(store.urgent.copy(of: best.member))
            let copy = try await loader.load(
                upTo: best.observation, from: known, indexSeed: environment.random())
            environment.logger.notice(
                "there is no quorum: one member's copy of the ledger is read",
                metadata: [
                    "member": "\(best.member.address)",
                    "head": "\(copy.head.sequence)",
                ])
            send(.tick) { state, _ in state.provisional = copy }
        } catch {
            environment.logger.debug(
                "a member's copy of the ledger cannot be read", metadata: ["error": "\(error)"])
        }
    }

    /// The copy from which loading goes on once there is a quorum: its tree must be the beginning of what the quorum has.
    ///
    /// - Throws: `inconsistent` where the quorum has less than the copy, or another event at its end: the store was rolled
    ///   back.
    func provisional(
        before observation: LedgerObservation
    ) throws(LedgerStoreError) -> LedgerState? {
        guard let copy = state.withLock({ $0.provisional }) else { return nil }
        let isBehind = observation.head.sequence < copy.head.sequence
        let isOther =
            observation.head.sequence == copy.head.sequence && observation.head != copy.head
        if isBehind || isOther {
            throw .inconsistent(
                .rolledBack(known: copy.head.sequence, found: observation.head.sequence))
        }
        return copy
    }
}
