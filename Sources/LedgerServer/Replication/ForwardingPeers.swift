import LedgerAPI
import PrometheusExposition
import Synchronization
import TaskCoordination

/// What goes back to a replica that forwards here.
enum ForwardReply: Sendable {
    case challenge(Ledger_Internal_Challenge)
    case welcome
    case answers([Ledger_Internal_ForwardAnswer])
    case farewell
}

/// The replicas that forward here.
final class ForwardingPeers: Sendable {
    private struct Peer {
        let replies: Mailbox<ForwardReply>
        /// Whether it has shown that it is a replica of this ledger.
        var isAdmitted = false
    }

    private struct State {
        var next: UInt64 = 1
        var peers: [UInt64: Peer] = [:]
        var isFinished = false

        var admittedCount: Int { peers.values.count { $0.isAdmitted } }
    }

    private let state = Mutex(State())
    private let metrics: LedgerMetrics

    init(metrics: LedgerMetrics) {
        self.metrics = metrics
    }

    func add(_ replies: Mailbox<ForwardReply>) -> UInt64 {
        let (peer, isFinished) = state.withLock { state in
            defer { state.next += 1 }
            state.peers[state.next] = Peer(replies: replies)
            return (state.next, state.isFinished)
        }
        if isFinished { replies.close() }
        return peer
    }

    /// A peer has shown what it is: from now on it is told of what happens here.
    func admit(_ peer: UInt64) {
        let count = state.withLock { state in
            state.peers[peer]?.isAdmitted = true
            return state.admittedCount
        }
        metrics.forwardingPeers.set(Double(count))
    }

    func remove(_ peer: UInt64) {
        let count = state.withLock { state in
            state.peers[peer] = nil
            return state.admittedCount
        }
        metrics.forwardingPeers.set(Double(count))
    }

    /// Tells every replica that forwards here that the hint was given back.
    func sayFarewell() {
        for peer in state.withLock({ $0.peers.values.filter(\.isAdmitted) }) {
            peer.replies.put(.farewell)
        }
    }

    /// Ends every stream once what was to be said is said; none is served any more.
    func finish() {
        let peers = state.withLock { state in
            state.isFinished = true
            return Array(state.peers.values)
        }
        for peer in peers { peer.replies.close() }
    }
}
