/// Records what one submission goes through, where somebody traces it. The core carries it along and never calls it: the
/// driver does, from any thread, so it must be quick.
package protocol SubmissionTrace: AnyObject, Sendable {
    /// It is in a batch of so many events, which is about to be sent.
    func sealing(events: Int)
    /// It is about to go to the replica that seals.
    func forwarding()
    /// What became of it is being read back.
    func resolving()
    /// It is answered.
    func settled(_ outcome: SubmissionOutcome)
    /// What the replica that it is forwarded to is told: a `traceparent` of W3C Trace Context; empty for nothing.
    var traceParent: [UInt8] { get }
}

extension ReplicaCore {
    /// The traces of the submissions in the transaction whose fate is not known.
    package var tracesInDoubt: [any SubmissionTrace] {
        sealing.inFlight?.submissions.compactMap(\.trace) ?? []
    }
}

extension BatchPlan {
    /// Tells those of its submissions that are traced.
    package func noteSealing() {
        for submission in submissions { submission.trace?.sealing(events: submissions.count) }
    }
}
