import LedgerCore
package import LedgerStore
package import LedgerTransparency
package import ObjectStorage

/// Why nothing more could be archived. Sealing goes on whatever it is.
package enum ArchiveFailure: Error, Sendable, CustomStringConvertible {
    /// The object storage did not answer, or refused.
    case storage(ObjectStoreError)
    /// etcd did not answer, or what it answered makes no sense.
    case ledger(LedgerStoreError)
    /// This replica's tree does not reach so far, or cannot be read.
    case tree(TreeError)
    /// Other bytes are there than the ledger's. They are never overwritten.
    case differs(ObjectName)
    /// It was written, and is not there.
    case notKept(ObjectName)
    /// What is there is not this ledger's archive, or no longer whole.
    case notThisLedgers(String)
    /// The ledger's own parts in etcd do not agree: what is wrong must not be archived.
    case contradicted(String)
    /// The key `archive` names another place.
    case otherLocation(recorded: String)
    /// It was stopped, or the replica was fenced meanwhile.
    case interrupted

    /// For metrics, health and tests.
    package var code: String {
        switch self {
        case .storage(let error): "storage_\(error.kind.rawValue)"
        case .ledger: "etcd"
        case .tree: "tree"
        case .differs: "other_bytes"
        case .notKept: "not_kept"
        case .notThisLedgers: "not_this_ledgers"
        case .contradicted: "contradicted"
        case .otherLocation: "other_location"
        case .interrupted: "interrupted"
        }
    }

    /// Whether the archive did not give, when it was read, what is known to be in it.
    var isContradictionOfArchive: Bool {
        let cause: LedgerStoreError? =
            switch self {
            case .ledger(let error): error
            case .tree(let error): error.cause
            default: nil
            }
        if case .archive(.contradicts) = cause?.code { return true }
        return false
    }

    /// Whether only somebody who looks into it can mend it.
    package var needsSomebody: Bool {
        switch self {
        case .storage(let error): !error.isRetryable && error.kind != .cancelled
        case .ledger, .tree, .notKept, .interrupted: false
        case .differs, .notThisLedgers, .contradicted, .otherLocation: true
        }
    }

    package var description: String {
        switch self {
        case .storage(let error): "the object storage: \(error)"
        case .ledger(let error): "\(error)"
        case .tree(let error): "the tree: \(error)"
        case .differs(let name):
            "the object \(name) has other bytes than the ledger, and is not overwritten. Where etcd was restored from a "
                + "snapshot, stop all replicas and run ledgerctl archive set-aside; otherwise look into it"
        case .notKept(let name): "the object \(name) was written, and is not there"
        case .notThisLedgers(let what): what
        case .contradicted(let what): what
        case .otherLocation(let recorded):
            "the ledger's archive is \(recorded): set LEDGER_ARCHIVE to it"
        case .interrupted: "archiving was interrupted"
        }
    }
}
