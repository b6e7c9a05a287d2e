/// One request, on its way from a caller to the thread that owns libcurl.
struct TransferRequest: Sendable {
    /// Unlike that of any other request of this transport.
    let id: UInt64
    let outgoing: OutgoingRequest
    let continuation: CheckedContinuation<Result<HTTPAnswer, TransferFailure>, Never>
    /// Since when it waits for room in the pool; nil where it had not to.
    var queuedAt: ContinuousClock.Instant?

    var deadline: ContinuousClock.Instant { outgoing.deadline }

    /// Never later than the deadline.
    var connectDeadline: ContinuousClock.Instant {
        min(outgoing.connectDeadline ?? outgoing.deadline, outgoing.deadline)
    }
}
