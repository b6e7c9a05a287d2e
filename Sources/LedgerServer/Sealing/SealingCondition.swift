import LedgerCore
import Logging
import PrometheusExposition

/// What decides whether this replica seals, for health and readiness: what a submission would be told now.
struct SealingCondition: Equatable {
    /// What a submission would be told here; nil where it would be sealed.
    var obstacle: NotSealedReason?
    var fence: LedgerInconsistency?
    /// Whether counter and head could not be read when that was tried last.
    var isUnreadable: Bool
    var isLoading: Bool
    /// The release of a member for which nothing is sealed.
    var refusedRelease: String?
    /// What is submitted here goes to another replica.
    var isForwarding: Bool
    /// While loading: up to which number one member's copy is read.
    var provisional: SequenceNumber?

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
                    + "room and disarmed etcd's alarm"
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
        case nil, .overloaded, .deadlineExceeded, .lookupFailed:
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

extension Sealer {
    /// Shows the present condition on the board when it has changed.
    func report(_ state: inout State, at moment: Moment) {
        let number = state.readable?.head.sequence.rawValue ?? 0
        let condition = SealingCondition(
            obstacle: state.machine.obstacle(at: moment), fence: state.machine.fence,
            isUnreadable: state.machine.unreadable != nil, isLoading: state.machine.isLoading,
            refusedRelease: state.refusedRelease, isForwarding: state.isForwarding,
            provisional: state.provisional?.head.sequence)
        metrics.queueEvents.set(Double(state.machine.queuedEvents))
        let lookUps = state.machine.lookUpCounts
        metrics.setLookUps(.duplicates, running: lookUps.running, waiting: lookUps.waiting)
        if condition == state.lastReported {
            if board.current.lastSequenceNumber != number {
                metrics.headSequenceNumber.set(Double(number))
                board.update { $0.lastSequenceNumber = number }
            }
            return
        }
        state.lastReported = condition
        let status = condition.status
        metrics.headSequenceNumber.set(Double(number))
        board.update(
            LedgerStatus(
                state: status.state, readsServed: status.readsServed, lastSequenceNumber: number,
                message: status.message))
        logger.notice(
            "the replica's state changed",
            metadata: [
                "state": "\(status.state.rawValue)", "head": "\(number)",
                "message": "\(status.message)",
            ])
    }
}
