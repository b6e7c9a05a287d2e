package import LedgerCore
import LedgerStore
import Synchronization

extension Sealer {
    /// The newest number that this replica's index covers; nil until the ledger was read.
    package var coveredNumber: SequenceNumber? {
        state.withLock { $0.machine.state?.head.sequence }
    }

    /// The newest number that can be read here: as `coveredNumber`, or as far as a single member's copy went where this
    /// replica has started without a quorum. Nil until either was read.
    package var readableNumber: SequenceNumber? {
        state.withLock { $0.readable?.head.sequence }
    }

    /// What this replica knows of counter and head; nil until the ledger was read.
    package var knownObservation: LedgerObservation? {
        state.withLock { $0.machine.state?.observation }
    }

    /// Where the block begins that holds a number; nil where the index does not cover it.
    package func blockStart(of number: SequenceNumber) -> SequenceNumber? {
        state.withLock { $0.readable?.index.blockStart(containing: number) }
    }

    /// The numbers of the events that may have this id; empty where there are none up to the covered number.
    package func candidates(for fingerprint: Fingerprint) -> [SequenceNumber] {
        state.withLock { $0.readable?.index.candidates(for: fingerprint) ?? [] }
    }

    /// Somebody read counter and head; `known` was the replica's own knowledge before that read began.
    func noticed(_ observation: LedgerObservation, knownBefore known: LedgerObservation) {
        send { state, moment in
            state.machine.noticed(observation, knownBefore: known, at: moment)
        }
    }

    /// Somebody read counter and head, and they make no sense.
    func noticedMalformed(_ reason: LedgerInconsistency) {
        send { state, moment in state.machine.noticedMalformed(reason, at: moment) }
    }

    /// Counter and head could not be read.
    func headIsUnreadable(_ error: LedgerStoreError) {
        send { state, moment in
            state.machine.headIsUnreadable(error.notSealedReason, at: moment)
        }
    }

    /// Somebody read that the ledger has a format which this version does not know.
    func foundFormat(_ found: String) {
        send { state, _ in state.machine.foundFormat(found) }
    }

    // MARK: Members

    /// etcd's members were asked how they are.
    package func membersChecked(_ round: EtcdRound) {
        send { state, moment in
            state.refusedRelease = round.refusedRelease
            // What was heard since the question counts for more than the answer.
            let isOutdated = state.fullAt.map { $0 >= round.began } ?? false
            return state.machine.membersChecked(
                isFull: isOutdated ? nil : round.hasNoSpace,
                releaseIsRefused: round.refusedRelease != nil, at: moment)
        }
    }

    /// The replica that seals said that etcd has no space.
    func heardOfFullStore() {
        send { state, _ in
            state.fullAt = .now
            state.machine.heardOfFullStore()
            return []
        }
    }

    /// While etcd has no space nobody may submit anything that would show that it has some again: its members are asked.
    func checkMembersOfFullStore() async {
        guard state.withLock({ $0.machine.storeIsFull }) else { return }
        _ = await checkMembers()
    }

    /// Whether an event with this fingerprint is in a transaction of this replica whose fate is open (PROTOCOL.md 3).
    func mayStillSeal(_ fingerprint: Fingerprint) -> Bool {
        state.withLock { $0.machine.mayStillSeal(fingerprint) }
    }

    /// Somebody read the key `sealer`.
    func noticed(_ hint: HintReading?) {
        guard let hint, let reporting = state.withLock({ $0.reporting }) else { return }
        reporting.hint(hint)
    }

    /// Another replica knows an event to be sealed which this one's linearizable read does not contain (PROTOCOL.md
    /// 20).
    package func contradicted(by reason: LedgerInconsistency) {
        send { state, _ in state.machine.contradicted(by: reason) }
    }

    /// Waits until the index covers a number, for so long at most.
    package func waitUntilCovered(_ number: SequenceNumber, within limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitUntilCovered(number) }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Waits until the index covers a number, or the task is cancelled.
    package func waitUntilCovered(_ number: SequenceNumber) async {
        let key = state.withLock { $0.readers.makeKey() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { state -> CheckedContinuation<Void, Never>? in
                    let covered = state.machine.state?.head.sequence ?? .zero
                    if covered >= number || Task.isCancelled { return continuation }
                    state.readers.add(key, number, continuation)
                    return nil
                }?.resume()
            }
        } onCancel: {
            state.withLock { $0.readers.remove(key) }?.resume()
        }
    }
}
