internal import CCurlShims
import Glibc
import Synchronization

/// Sends requests through libcurl, which lives on a thread of its own.
///
/// Callers put requests into an inbox and wait; the thread resumes them. Nothing of libcurl is
/// ever touched from another thread, except to wake it. TLS is always verified, no redirection is
/// followed, no proxy is used whatever the environment says, and no request is sent twice
/// unless its method is GET or HEAD (etcd.md, "libcurl").
package final class CurlTransport: Sendable {
    private let inbox = TransportInbox()
    private let board = StatisticsBoard()
    private let nextID = Atomic<UInt64>(0)

    /// Starts the thread; connects to nobody yet.
    ///
    /// - Throws: where libcurl or the thread cannot be started.
    package init(_ settings: TransportSettings) throws(TransportUnusable) {
        if let problem = CurlLibrary.problem { throw TransportUnusable(problem) }
        guard let loop = CurlLoop(settings, inbox: inbox, board: board) else {
            throw TransportUnusable("libcurl has no memory for a handle")
        }
        guard loop.startThread() else { throw TransportUnusable("no thread can be started") }
    }

    deinit {
        // The thread ends by itself; nobody is left to wait for it.
        _ = inbox.send(.shutDown(nil))
    }

    package var statistics: ConnectionStatistics { board.current }

    /// Sends a request and waits for its answer, for its deadline or for the task's cancellation.
    package func send(_ outgoing: OutgoingRequest) async -> Result<HTTPAnswer, TransferFailure> {
        let id = nextID.add(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let request = TransferRequest(
                    id: id, outgoing: outgoing, continuation: continuation)
                guard inbox.send(.start(request)) else {
                    continuation.resume(
                        returning: .failure(
                            TransferFailure(
                                reason: .shutDown, wasOffered: false,
                                message: "the client is shut down")))
                    return
                }
                // A cancellation that came before the request was in the inbox found nothing to
                // cancel there.
                if Task.isCancelled { _ = inbox.send(.cancel(id: id)) }
            }
        } onCancel: {
            _ = inbox.send(.cancel(id: id))
        }
    }

    /// Fails what is open, closes all connections and waits for the thread's end.
    package func shutDown() async {
        await withCheckedContinuation { continuation in
            if !inbox.send(.shutDown(continuation)) { continuation.resume() }
        }
    }
}

/// Why a transport cannot be started.
package struct TransportUnusable: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
