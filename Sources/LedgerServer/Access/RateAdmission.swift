import GRPCCore
import LedgerAPI
package import LedgerCore

/// Refuses events beyond the rates that are allowed; how long a caller is to wait is told as RetryInfo.
package struct RateAdmission: Sendable {
    private let limiter: RateLimiter
    private let now: @Sendable () -> MonotonicInstant
    private let mayStillSeal: @Sendable (Fingerprint) -> Bool

    /// - Parameter mayStillSeal: whether an event with the id is in a transaction of this replica whose fate is open: of
    ///   that one nothing certain may be said (protocol.md 3).
    package init(
        _ limiter: RateLimiter, now: @escaping @Sendable () -> MonotonicInstant,
        mayStillSeal: @escaping @Sendable (Fingerprint) -> Bool
    ) {
        self.limiter = limiter
        self.now = now
        self.mayStillSeal = mayStillSeal
    }

    /// Takes one event into account.
    ///
    /// - Returns: why it is not taken; nil where it is.
    func refusal(of eventID: [UInt8], from caller: CallerIdentity) -> LedgerRPCError? {
        guard let delay = limiter.take(caller.submitter, at: now()),
            !mayStillSeal(Fingerprint(ofEventID: eventID[...]))
        else { return nil }
        return LedgerRPCError(
            .resourceExhausted, .overloaded,
            "more events than are allowed a second; the event was not sealed",
            retryDelay: .milliseconds(max(1, delay.millisecondsRoundedUp)))
    }
}
