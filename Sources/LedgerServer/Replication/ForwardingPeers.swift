import LedgerCore
import PrometheusExposition
import Synchronization

/// A replica that forwards here, as others see it.
protocol ForwardingPeer: AnyObject, Sendable {
    /// Tells it that the hint was given back.
    func sayFarewell()
    /// Ends its stream once what was to be said is said.
    func finish()
}

/// The replicas that forward here.
final class ForwardingPeers: Sendable {
    private struct Peer {
        let stream: any ForwardingPeer
        /// Whether it has shown that it is a replica of this ledger.
        var isAdmitted = false
        /// What it has told of itself, where it can seal as well.
        var candidate: SealingCandidate?
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

    /// - Parameter make: makes the peer's stream, given its number.
    /// - Returns: the stream.
    func add<Stream: ForwardingPeer>(_ make: (UInt64) -> Stream) -> Stream {
        let number = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        let stream = make(number)
        let isFinished = state.withLock { state in
            state.peers[number] = Peer(stream: stream)
            return state.isFinished
        }
        if isFinished { stream.finish() }
        return stream
    }

    /// A peer has shown what it is: from now on it is told of what happens here.
    ///
    /// - Parameter candidate: what it has told of itself; nil where it takes no hint.
    func admit(_ peer: UInt64, as candidate: SealingCandidate?) {
        let count = state.withLock { state in
            state.peers[peer]?.isAdmitted = true
            state.peers[peer]?.candidate = candidate
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

    /// To whom this replica hands the hint over when it leaves; nil where nobody can be named.
    func successor(ofSealerStartedAt startedAt: MonotonicInstant) -> SealerHint? {
        SealingCandidate.successor(
            among: state.withLock { $0.peers.values.compactMap(\.candidate) },
            ofSealerStartedAt: startedAt)
    }

    /// Tells every replica that forwards here that the hint was given back.
    func sayFarewell() {
        for peer in state.withLock({ $0.peers.values.filter(\.isAdmitted) }) {
            peer.stream.sayFarewell()
        }
    }

    /// Ends every stream once what was to be said is said; none is served any more.
    func finish() {
        let peers = state.withLock { state in
            state.isFinished = true
            return Array(state.peers.values)
        }
        for peer in peers { peer.stream.finish() }
    }
}
