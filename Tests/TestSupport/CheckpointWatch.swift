package import LedgerCore
import Synchronization

/// Looks at the stored checkpoint again and again, as somebody who distrusts the ledger would, and remembers every one.
package final class CheckpointWatch: Sendable {
    private struct State {
        var roots: [UInt64: Digest] = [:]
        var newest: UInt64 = 0
        var cosigned = 0
        var contradictions: [String] = []
    }

    private let stored: StoredLedger
    private let verifier: NoteVerifier
    private let witnesses: [CosignatureVerifier]
    private let state = Mutex(State())
    private let task = Mutex<Task<Void, Never>?>(nil)

    /// Begins to look.
    package init(
        _ stored: StoredLedger, verifier: NoteVerifier, witnesses: [CosignatureVerifier]
    ) {
        self.stored = stored
        self.verifier = verifier
        self.witnesses = witnesses
        // Unstructured: it looks on beside what the test does.
        task.withLock { $0 = Task { await self.look() } }
    }

    /// How many different checkpoints were seen, and how often one had every witness's cosignature.
    package var counts: (checkpoints: Int, cosigned: Int) {
        state.withLock { ($0.roots.count, $0.cosigned) }
    }

    private func look() async {
        while !Task.isCancelled {
            if let bytes = try? await stored.value(stored.keys.checkpoint) { take(bytes) }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private func take(_ bytes: [UInt8]) {
        do {
            let note = try SignedNote(parsing: bytes)
            let checkpoint = try verifier.checkpoint(of: note)
            let isCosigned = witnesses.allSatisfy { (try? $0.cosignature(of: note)) != nil }
            state.withLock { state in
                if checkpoint.size < state.newest {
                    state.contradictions.append("size \(checkpoint.size) after \(state.newest)")
                }
                if let root = state.roots[checkpoint.size], root != checkpoint.root {
                    state.contradictions.append("two roots of size \(checkpoint.size)")
                }
                state.newest = max(state.newest, checkpoint.size)
                state.roots[checkpoint.size] = checkpoint.root
                if isCosigned { state.cosigned += 1 }
            }
        } catch {
            state.withLock { $0.contradictions.append("\(error)") }
        }
    }

    /// Stops looking, and compares every checkpoint with the tree over the stored entries, computed anew.
    ///
    /// - Returns: What contradicts; empty where nothing does.
    package func finish() async throws -> [String] {
        let running = task.withLock { $0 }
        running?.cancel()
        await running?.value
        var (roots, found) = state.withLock { ($0.roots, $0.contradictions) }
        var frontier = MerkleFrontier()
        for block in try await stored.blocks() {
            let number = SequenceNumber(rawValue: block.number)
            for entry in try Block(decoding: block.bytes, firstNumber: number).entries {
                frontier.append(MerkleTree.leafHash(of: entry))
                if let root = roots.removeValue(forKey: frontier.size), root != frontier.root {
                    found.append("the checkpoint of size \(frontier.size) has another root")
                }
            }
        }
        if let beyond = roots.keys.max() { found.append("a checkpoint of size \(beyond)") }
        return found
    }
}
