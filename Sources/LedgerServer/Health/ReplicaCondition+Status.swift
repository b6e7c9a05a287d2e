import LedgerCore
import LedgerReplica

extension ReplicaCondition {
    /// What health and readiness say of it.
    var status: (state: ServingState, readsServed: Bool, message: String) {
        switch obstacle {
        case .stopping:
            (.stopping, !isLoading || provisional != nil, "the replica is stopping")
        case .starting where provisional != nil:
            (
                .readOnly, true,
                "etcd has no quorum; events up to number \(provisional ?? .zero) are read from one "
                    + "member"
            )
        case .starting:
            (
                .starting, false,
                isUnreadable ? "etcd cannot be reached" : "the ledger is being loaded"
            )
        case .rolledBack:
            (.fenced, true, "sealing has stopped: \(fence.map { "\($0)" } ?? "")")
        case .unknownFormat:
            (.readOnly, true, "sealing has stopped: \(fence.map { "\($0)" } ?? "")")
        case .noQuorum:
            (.readOnly, true, "etcd has no quorum or does not answer in time")
        case .storeUnavailable where isUnreadable:
            (.readOnly, true, "etcd does not let this replica in")
        case .storageFull:
            (
                .readOnly, true,
                "etcd has no space left: events are read and not sealed until an operator has made "
                    + "room, and disarmed etcd's alarm where there is one"
            )
        case .releaseRefused:
            (
                .readOnly, true,
                "a member of etcd runs release \(refusedRelease ?? ""), which can lose committed "
                    + "transactions: events are read and not sealed until it is upgraded"
            )
        case .storeUnavailable, .clockUntrusted, .clockUnsampled:
            isForwarding
                ? (.serving, true, "events are sealed by another replica; \(ownTrouble)")
                : (.readOnly, true, ownTrouble)
        case nil, .overloaded, .deadlineExceeded, .lookupFailed, .notSealing:
            (
                .serving, true,
                isForwarding
                    ? "events are sealed by another replica, and read"
                    : "events are sealed and read"
            )
        }
    }

    /// What keeps this replica alone from sealing.
    private var ownTrouble: String {
        switch obstacle {
        case .clockUntrusted: "this replica's clock disagrees with most members of etcd"
        case .clockUnsampled:
            "this replica's clock could not be compared with those of most members of etcd lately"
        default: "a transaction of this replica is not answered"
        }
    }
}
