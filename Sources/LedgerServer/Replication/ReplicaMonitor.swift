import LedgerCore
import LedgerReplica
import Logging
import PrometheusExposition

/// Shows what a replica does in the metrics, in the log, and on the board from which health is told.
struct ReplicaMonitor: ReplicaObserver {
    let board: StatusBoard
    let metrics: LedgerMetrics
    let peers: ForwardingPeers
    let logger: Logger

    func changed(_ condition: ReplicaCondition) {
        let number = condition.number.rawValue
        metrics.headSequenceNumber.set(Double(number))
        metrics.isSealer.set(condition.isSealer ? 1.0 : 0.0)
        let (state, readsServed, message) = condition.status
        let known = board.current
        let status = LedgerStatus(
            state: state, readsServed: readsServed, lastSequenceNumber: number, message: message)
        board.update(status)
        guard known.state != state || known.message != message || known.readsServed != readsServed
        else { return }
        logger.notice(
            "the replica's state changed",
            metadata: [
                "state": "\(state.rawValue)", "head": "\(number)", "message": "\(message)",
            ])
    }

    func sealing(_ plan: BatchPlan) {
        metrics.batchEvents.observe(Double(plan.submissions.count))
        metrics.stages.queue.observe(
            contentsOf: plan.submissions.lazy.map { (plan.plannedAt - $0.receivedAt).seconds })
    }

    func applied(after length: Nanoseconds) { metrics.stages.commit.observe(length.seconds) }

    func forwarding(events: Int) { metrics.forwardedEvents.increment(by: Int64(events)) }

    func gaveHintBack() { peers.sayFarewell() }

    func reported(_ report: ReplicaReport, part: String) {
        var metadata: Logger.Metadata = ["part": "\(part)"]
        switch report {
        case .fenced(let reason):
            logger.critical("sealing has stopped", metadata: ["reason": "\(reason)"])
        case .lostRace:
            metrics.lostRaces.increment()
        case .doubtResolved(let isSealed):
            metrics.countDoubt(isSealed: isSealed)
        case .becameSealer(let outage):
            metrics.countElection(.became, outage: outage.seconds)
            metadata["outage_ms"] = "\(outage.millisecondsRoundedUp)"
            logger.notice("this replica seals now", metadata: metadata)
        case .following(let address, let outage):
            metrics.countElection(.followed, outage: outage.seconds)
            metadata["sealer"] = "\(address)"
            metadata["outage_ms"] = "\(outage.millisecondsRoundedUp)"
            logger.notice("events are forwarded to another replica", metadata: metadata)
        case .deposed:
            metrics.countElection(.deposed)
            logger.notice("another replica has taken the hint", metadata: metadata)
        case .doubtsSealer(let why):
            metrics.countElection(.doubted)
            metadata["reason"] = "\(why)"
            logger.notice("the sealing replica is in doubt", metadata: metadata)
        case .sealsDirectly:
            metrics.countElection(.direct)
            logger.warning(
                "the sealing replica cannot be used; events are sealed beside it",
                metadata: metadata)
        case .gaveHintBack:
            metrics.countElection(.gaveBack)
            logger.notice("the hint is given back", metadata: metadata)
        }
    }
}
