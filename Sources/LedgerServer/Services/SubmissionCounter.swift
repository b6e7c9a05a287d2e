import LedgerCore

/// Counts how submissions ended, and those that broke the commit contract.
struct SubmissionCounter: Sendable {
    let metrics: LedgerMetrics
    let commitDeadline: Nanoseconds

    func count(_ outcome: LedgerCore.SubmissionOutcome) {
        switch outcome {
        case .sealed(_, let latency):
            metrics.countSubmission(.sealed)
            metrics.commitSeconds.observe(latency.seconds)
            if latency > commitDeadline { metrics.contractViolations.increment() }
        case .duplicate: metrics.countSubmission(.duplicate)
        case .conflicting: metrics.countSubmission(.conflicting)
        case .notSealed(.overloaded), .notSealed(.storageFull):
            metrics.countSubmission(.overloaded)
        case .notSealed: metrics.countSubmission(.notSealed)
        case .unknown: metrics.countSubmission(.unknown)
        }
    }

    func count(_ error: LedgerRPCError) {
        metrics.countSubmission(error.reason == .invalidEvent ? .invalid : .denied)
    }
}
