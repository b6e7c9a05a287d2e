import LedgerCore
import Synchronization

/// Under which names the events of one forwarding replica wait here, so that they can be recalled (PROTOCOL.md 6).
final class ForwardedTokens: Sendable {
    private let own = Mutex<[UInt64: SubmissionToken]>([:])

    /// An event is taken: `name` is how the other replica calls it.
    func add(_ name: UInt64, as token: SubmissionToken) {
        own.withLock { $0[name] = token }
    }

    /// It is answered.
    func remove(_ name: UInt64) {
        own.withLock { _ = $0.removeValue(forKey: name) }
    }

    /// Those of the named events that are not answered yet.
    func waiting(among names: [UInt64]) -> [SubmissionToken] {
        own.withLock { own in names.compactMap { own[$0] } }
    }

    /// All that are not answered yet.
    var waiting: [SubmissionToken] { own.withLock { Array($0.values) } }
}
