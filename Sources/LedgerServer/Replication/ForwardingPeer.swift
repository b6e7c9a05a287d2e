import LedgerAPI
import LedgerCore
import LedgerReplica
import Synchronization
import TaskCoordination

/// One replica that forwards here, as the caller of what it forwards: outcomes go into its replies, under the names that
/// it gave its events.
final class ForwardingPeer: SubmissionCaller {
    private let replies: Mailbox<ForwardReply>
    /// Those that are not answered yet, by the other replica's names.
    private let open = Mutex<[UInt64: SubmissionToken]>([:])

    init(replies: Mailbox<ForwardReply>) {
        self.replies = replies
    }

    /// These are about to be submitted.
    func expect(_ submissions: [Submission]) {
        open.withLock { open in
            for submission in submissions { open[submission.label] = submission.token }
        }
    }

    func settle(_ answers: [SubmissionAnswer]) {
        open.withLock { open in
            for answer in answers { open[answer.submission.label] = nil }
        }
        replies.put(
            .answers(
                answers.map {
                    Ledger_Internal_ForwardAnswer(
                        $0.submission.label, ForwardOutcome($0.outcome))
                }))
    }

    /// Those of the named events that are not answered yet.
    func waiting(among names: [UInt64]) -> [SubmissionToken] {
        open.withLock { open in names.compactMap { open[$0] } }
    }

    /// All that are not answered yet.
    var waiting: [SubmissionToken] { open.withLock { Array($0.values) } }
}
