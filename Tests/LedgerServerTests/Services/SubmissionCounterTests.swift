import GRPCCore
import LedgerAPI
import LedgerCore
import Logging
import Testing

@testable import LedgerServer

@Suite("How submissions are counted")
struct SubmissionCounterTests {
    private let metrics = LedgerMetrics()

    private func counter() -> SubmissionCounter {
        SubmissionCounter(
            metrics: metrics, commitDeadline: .milliseconds(50), audit: nil,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test(
        "what is refused before it is submitted, by why",
        arguments: [
            (ErrorReason.invalidEvent, SubmissionOutcomeLabel.invalid),
            (.overloaded, .overloaded), (.notAllowed, .denied), (.notAuthenticated, .denied),
            (.badSignature, .denied),
        ])
    func refused(reason: ErrorReason, label: SubmissionOutcomeLabel) {
        let origin = SubmissionOrigin(caller: CallerIdentity(names: []), nil)
        counter().count(LedgerRPCError(.unavailable, reason, "no"), from: origin)
        for each in SubmissionOutcomeLabel.allCases {
            #expect(metrics.submissions(each) == (each == label ? 1 : 0), "\(each)")
        }
    }
}
