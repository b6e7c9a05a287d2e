import Foundation
package import HTTPTransport
package import LedgerCore
package import Logging
import ServiceLifecycle
import Synchronization

/// The witnesses that are asked to cosign this ledger's checkpoints (C2SP tlog-witness; witnesses.md).
///
/// A task for each of them, so that none waits for another. Sealing waits for none of them; a checkpoint does for
/// `WitnessLimits.collecting`, after it was put.
package final class WitnessGroup: Service {
    /// How long the question for what witnesses have cosigned may take.
    private static let asking = Duration.seconds(2)

    private let links: [WitnessLink]
    private let limits: WitnessLimits
    private let question: SignedNote?

    /// - Parameters:
    ///   - signers: the ledger's keys, which sign the checkpoint of the empty tree, with which witnesses are asked what
    ///     they have cosigned. It contradicts no ledger.
    ///   - tree: where proofs come from; nil until there are any.
    ///   - onResult: is told the end of every request, by the witness's name.
    package init(
        _ addresses: [WitnessAddress], signers: [NoteSigner],
        tree: @escaping @Sendable () -> (any LedgerTree)?,
        transport: CurlTransport, logger: Logger, limits: WitnessLimits = WitnessLimits(),
        onResult: @escaping @Sendable (_ name: String, WitnessResult) -> Void = { _, _ in }
    ) {
        let surroundings = WitnessLink.Surroundings(
            limits: limits, transport: transport, tree: tree, logger: logger, onResult: onResult,
            time: { UInt64(max(0, Date().timeIntervalSince1970)) })
        links = addresses.map { WitnessLink($0, surroundings) }
        self.limits = limits
        let notes = signers.compactMap { try? $0.note(size: 0, root: MerkleTree.emptyRoot) }
        question = notes.first.map { first in
            SignedNote(text: first.text, signatures: notes.flatMap(\.signatures))
        }
    }

    /// Works until the service stops; what is on its way then is given up.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for link in self.links {
                    group.addTask { await link.work() }
                }
            }
        }
    }

    /// Asks every witness to cosign a checkpoint.
    ///
    /// - Returns: The valid cosignatures that came within `WitnessLimits.collecting`, in the order of the witnesses.
    package func cosign(
        _ note: SignedNote, _ checkpoint: Checkpoint
    ) async -> [SignedNote.Signature] {
        await collect(.cosign(note, checkpoint), within: limits.collecting)
    }

    /// What witnesses have cosigned of this ledger, whatever the store says.
    ///
    /// They are asked, for two seconds at most; of one that does not answer, what it has said last counts. Of a number
    /// that a witness only named, no root is known.
    package func records() async -> [OutsideRecord] {
        if let question { _ = await collect(.ask(question), within: Self.asking) }
        return links.compactMap(\.record)
    }

    /// How each witness is; none is critical.
    package var statuses: [WitnessStatus] { links.map(\.status) }

    private func collect(
        _ errand: WitnessLink.Errand, within limit: Duration
    ) async -> [SignedNote.Signature] {
        guard !links.isEmpty else { return [] }
        let collector = CosignatureCollector(count: links.count)
        for (index, link) in links.enumerated() {
            link.put(errand) { collector.take($0, from: index) }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await collector.untilComplete() }
            group.addTask { try? await Task.sleep(for: limit) }
            _ = await group.next()
            group.cancelAll()
        }
        return collector.cosignatures
    }
}

/// What comes back from the witnesses for one checkpoint.
private final class CosignatureCollector: Sendable {
    private struct State {
        var cosignatures: [SignedNote.Signature?]
        var missing: Int
        var waiting: CheckedContinuation<Void, Never>?
        var isGivenUp = false
    }

    private let state: Mutex<State>

    init(count: Int) {
        state = Mutex(
            State(cosignatures: Array(repeating: nil, count: count), missing: count))
    }

    var cosignatures: [SignedNote.Signature] {
        state.withLock { $0.cosignatures.compactMap { $0 } }
    }

    func take(_ signature: SignedNote.Signature?, from index: Int) {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.cosignatures[index] = signature
            state.missing -= 1
            return state.missing == 0 ? state.waiting.take() : nil
        }
        waiting?.resume()
    }

    /// Waits for the last one, or for the task's cancellation.
    func untilComplete() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.missing == 0 || state.isGivenUp { return true }
                    state.waiting = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiting = state.withLock { state in
                state.isGivenUp = true
                return state.waiting.take()
            }
            waiting?.resume()
        }
    }
}
