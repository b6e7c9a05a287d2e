import LedgerCore

/// What a witness has cosigned of each log, and what follows from it. Pure: it neither signs nor stores.
struct WitnessRegister: Hashable, Sendable {
    /// The largest checkpoint that was cosigned.
    struct Entry: Hashable, Sendable {
        let size: UInt64
        let root: Digest

        static let none = Entry(size: 0, root: MerkleTree.emptyRoot)
    }

    /// What becomes of a request, in the order in which the specification has it looked at.
    enum Verdict: Hashable, Sendable {
        /// 404: no such log.
        case unknownLog
        /// 403: none of the log's keys has signed it.
        case notSigned
        /// 400: the old size is above the checkpoint's.
        case sizesReversed
        /// 409: another size, or at the same size another root, was cosigned.
        case conflict(size: UInt64)
        /// 422: the checkpoint does not continue what was cosigned.
        case inconsistent
        /// To be stored, and then cosigned.
        case acceptable(Entry)
    }

    /// By origin. Logs that are no longer configured are kept: they may be again.
    var entries: [String: Entry] = [:]

    func judge(_ request: AddCheckpointRequest, logs: [String: WitnessedLog]) -> Verdict {
        let checkpoint = request.checkpoint
        guard let log = logs[checkpoint.origin],
            log.origin.utf8.elementsEqual(checkpoint.origin.utf8)
        else { return .unknownLog }
        let isSigned = log.keys.contains {
            (try? $0.checkpoint(of: request.note, origin: log.origin)) != nil
        }
        guard isSigned else { return .notSigned }
        guard request.oldSize <= checkpoint.size else { return .sizesReversed }
        let known = entries[log.origin] ?? .none
        guard request.oldSize == known.size else { return .conflict(size: known.size) }
        if checkpoint.size == known.size, checkpoint.root != known.root {
            return known.size == 0 ? .inconsistent : .conflict(size: known.size)
        }
        // With the empty tree every tree begins, and there is nothing to prove.
        let continues =
            known.size == 0
            ? request.path.isEmpty
            : MerkleTree.verifyConsistency(
                first: known.size, second: checkpoint.size, firstRoot: known.root,
                secondRoot: checkpoint.root, path: request.path)
        guard continues else { return .inconsistent }
        return .acceptable(Entry(size: checkpoint.size, root: checkpoint.root))
    }
}
