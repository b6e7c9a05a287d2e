package import LedgerCore
import Synchronization

/// What those who serve callers ask of a replica.
extension Replica {
    /// Gives a stream of submissions its name.
    package func makeStreamID() -> StreamID {
        StreamID(rawValue: nextStream.wrappingAdd(1, ordering: .relaxed).oldValue)
    }

    /// Gives a submission its name; names ascend.
    package func makeToken() -> SubmissionToken {
        SubmissionToken(rawValue: nextToken.wrappingAdd(1, ordering: .relaxed).oldValue)
    }

    /// Submits a validated event; its caller is told exactly once.
    ///
    /// - Returns: whether its stream may be read further; if not, `waitForRoom` tells when.
    @discardableResult
    package func submit(_ submission: Submission) -> Bool {
        var mayRead = true
        send(.submitted(submission)) { state, moment in
            guard let stream = submission.stream else { return }
            mayRead = state.core.mayRead(stream, at: moment.now)
        }
        return mayRead
    }

    /// Submits validated events of one stream, in their order.
    ///
    /// - Returns: whether the stream may be read further; if not, `whenRoom` tells when.
    package func submit(_ submissions: [Submission], of stream: StreamID) -> Bool {
        var mayRead = true
        send(.streamed(submissions)) { state, moment in
            mayRead = state.core.mayRead(stream, at: moment.now)
        }
        return mayRead
    }

    /// Takes what another replica has forwarded, in this order: it is sealed here, or refused.
    package func receive(_ forwarded: [Submission]) {
        if !forwarded.isEmpty { send(.forwarded(forwarded)) }
    }

    /// Nobody waits for these any more.
    package func cancel(_ tokens: [SubmissionToken]) {
        if !tokens.isEmpty { send(.cancelled(tokens)) }
    }

    /// Whether a stream may be read further.
    package func mayRead(_ stream: StreamID) -> Bool {
        state.withLock { $0.core.mayRead(stream, at: clock.now) }
    }

    /// Waits until a stream may be read further.
    package func waitForRoom(_ stream: StreamID) async {
        await withCheckedContinuation { continuation in
            whenRoom(stream) { continuation.resume() }
        }
    }

    /// As `waitForRoom`, without a task.
    ///
    /// - Parameter go: called once, from any thread.
    package func whenRoom(_ stream: StreamID, _ go: @escaping @Sendable () -> Void) {
        let mayRead = state.withLock { state in
            if state.core.mayRead(stream, at: clock.now) { return true }
            state.core.watch(stream)
            state.streams.add(stream, load: state.core.load(of: stream), go)
            return false
        }
        if mayRead { go() }
    }

    // MARK: Showing

    /// Time on this replica's clock.
    package var now: MonotonicInstant { clock.now }

    /// The hint that leads to this replica; nil until it is known where others reach it.
    package var identity: SealerHint? { state.withLock { $0.core.identity } }

    /// etcd's cluster id; 0 while it is not known.
    package var clusterID: UInt64 { cluster.load(ordering: .relaxed) }

    /// What the replica does, in one word, and where the other one is that seals.
    package var part: (name: String, sealer: String?) {
        state.withLock { ($0.core.part, $0.core.sealerAddress) }
    }

    /// What is under way, for the metrics.
    package struct Load: Sendable {
        package var queuedEvents: Int
        package var lookUps: (running: Int, waiting: Int)
        package var searches: (running: Int, waiting: Int)
    }

    package var load: Load {
        state.withLock { state in
            Load(
                queuedEvents: state.core.queuedEvents, lookUps: state.core.lookUpCounts,
                searches: state.core.searchCounts)
        }
    }

    // MARK: Stopping

    /// Hands the hint over, or gives it back, and waits until another replica seals, or `patience` has passed.
    ///
    /// - Parameter successor: who is to seal instead; nil where whoever comes first may.
    package func handOver(to successor: SealerHint?, within patience: Nanoseconds) async {
        send(.leaving(to: successor))
        let end = clock.now + patience
        while !state.withLock({ $0.core.hasHandedOver }), clock.now < end {
            guard (try? await clock.sleep(for: .milliseconds(5))) != nil else { return }
        }
    }

    /// Accepts nothing new from now on; what was accepted is answered as always.
    package func beginStopping() { send(.stopping) }

    /// Returns when everything that was accepted before `beginStopping` has been answered.
    package func waitUntilDrained() async { await drained.wait() }
}
