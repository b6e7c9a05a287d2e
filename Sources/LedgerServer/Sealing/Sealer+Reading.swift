package import LedgerCore
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
            state.lostQuorum = false
            return state.machine.noticed(observation, knownBefore: known, at: moment)
        }
    }

    /// Somebody read counter and head, and they make no sense.
    func noticedMalformed(_ reason: LedgerInconsistency) {
        send { state, moment in state.machine.noticedMalformed(reason, at: moment) }
    }

    /// Whether counter and head can be read.
    func noteQuorum(lost: Bool) {
        send { state, _ in
            state.lostQuorum = lost
            return []
        }
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
