import LedgerCore
import Logging

/// What decides whether this replica seals, for health and readiness.
struct SealingCondition: Equatable {
    var isLoading: Bool
    var fence: LedgerInconsistency?
    var isStopping: Bool
    var isInDoubt: Bool
    var lostQuorum: Bool
    var isClockTrusted: Bool
    /// What is submitted here goes to another replica.
    var isForwarding: Bool
    /// While loading: up to which number one member's copy is read.
    var provisional: SequenceNumber?

    var status: (state: ServingState, readsServed: Bool, message: String) {
        if isStopping {
            return (.stopping, !isLoading || provisional != nil, "the replica is stopping")
        }
        if let fence { return (.fenced, true, "sealing has stopped: \(fence)") }
        if isLoading, let provisional {
            return (
                .readOnly, true,
                "etcd has no quorum; events up to number \(provisional) are read from one member"
            )
        }
        if isLoading {
            return (
                .starting, false,
                lostQuorum ? "etcd cannot be reached" : "the ledger is being loaded"
            )
        }
        if lostQuorum || isInDoubt {
            return (.readOnly, true, "etcd has no quorum or does not answer in time")
        }
        if !isClockTrusted, isForwarding {
            return (
                .serving, true,
                "events are sealed by another replica; this one's clock disagrees with most members "
                    + "of etcd"
            )
        }
        if !isClockTrusted {
            return (
                .readOnly, true, "this replica's clock disagrees with most members of etcd"
            )
        }
        return (
            .serving, true,
            isForwarding
                ? "events are sealed by another replica, and read" : "events are sealed and read"
        )
    }
}

extension Sealer {
    /// Shows the present condition on the board when it has changed.
    func report(_ state: inout State, at moment: Moment) {
        let number = state.readable?.head.sequence.rawValue ?? 0
        let condition = SealingCondition(
            isLoading: state.machine.isLoading, fence: state.machine.fence,
            isStopping: state.machine.isStopping,
            isInDoubt: state.machine.isInDoubt(at: moment.now),
            lostQuorum: state.lostQuorum, isClockTrusted: moment.wall != .untrusted,
            isForwarding: state.isForwarding, provisional: state.provisional?.head.sequence)
        metrics.queueEvents.set(Double(state.machine.queuedEvents))
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
