import LedgerAPI
import Synchronization

/// What goes back to a replica that forwards here.
enum ForwardReply: Sendable {
    case welcome
    case answer(Ledger_Internal_ForwardAnswer)
    case farewell
}

/// The replicas that forward here.
final class ForwardingPeers: Sendable {
    private struct State {
        var next: UInt64 = 1
        var peers: [UInt64: Mailbox<ForwardReply>] = [:]
        var isFinished = false
    }

    private let state = Mutex(State())
    private let metrics: LedgerMetrics

    init(metrics: LedgerMetrics) {
        self.metrics = metrics
    }

    func add(_ replies: Mailbox<ForwardReply>) -> UInt64 {
        let (peer, count, isFinished) = state.withLock { state in
            defer { state.next += 1 }
            state.peers[state.next] = replies
            return (state.next, state.peers.count, state.isFinished)
        }
        if isFinished { replies.close() }
        metrics.forwardingPeers.set(Double(count))
        return peer
    }

    func remove(_ peer: UInt64) {
        let count = state.withLock { state in
            state.peers[peer] = nil
            return state.peers.count
        }
        metrics.forwardingPeers.set(Double(count))
    }

    /// Tells every replica that forwards here that the hint was given back.
    func sayFarewell() {
        for peer in state.withLock({ Array($0.peers.values) }) { peer.put(.farewell) }
    }

    /// Ends every stream once what was to be said is said; none is served any more.
    func finish() {
        let peers = state.withLock { state in
            state.isFinished = true
            return Array(state.peers.values)
        }
        for peer in peers { peer.close() }
    }
}
