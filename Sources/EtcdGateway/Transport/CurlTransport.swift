internal import CCurlShims
import Glibc
import Synchronization

/// Sends requests through libcurl, which lives on a thread of its own.
///
/// Callers put requests into an inbox and wait; the thread resumes them. Nothing of libcurl is
/// ever touched from another thread, except to wake it.
final class CurlTransport: Sendable {
    private let inbox = TransportInbox()
    private let statistics: TransportStatistics
    private let nextID = Atomic<UInt64>(0)

    /// - Throws: An error of code `configuration` where libcurl or the thread cannot be started.
    init(_ settings: CurlSettings) throws(EtcdError) {
        statistics = TransportStatistics(maxConnections: settings.maxConnections)
        if let problem = CurlLibrary.problem { throw Self.unusable(problem) }
        guard let loop = CurlLoop(settings, inbox: inbox, statistics: statistics) else {
            throw Self.unusable("libcurl has no memory for a handle")
        }
        guard loop.startThread() else { throw Self.unusable("no thread can be started") }
    }

    deinit {
        // The thread ends by itself; nobody is left to wait for it.
        _ = inbox.send(.shutDown(nil))
    }

    var poolStatistics: EtcdPoolStatistics { statistics.current }

    /// Sends one POST and waits for its answer, for its deadline or for the task's cancellation.
    func post(
        _ path: StaticString, body: [UInt8], token: String?, to endpoint: EtcdEndpoint,
        connectDeadline: ContinuousClock.Instant, deadline: ContinuousClock.Instant
    ) async -> Result<HTTPAnswer, TransferFailure> {
        let id = nextID.add(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let request = TransferRequest(
                    id: id, endpoint: endpoint, path: path, body: body, token: token,
                    connectDeadline: min(connectDeadline, deadline), deadline: deadline,
                    continuation: continuation)
                guard inbox.send(.start(request)) else {
                    continuation.resume(
                        returning: .failure(
                            TransferFailure(
                                reason: .shutDown, bodyWasOffered: false,
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
    func shutDown() async {
        await withCheckedContinuation { continuation in
            if !inbox.send(.shutDown(continuation)) { continuation.resume() }
        }
    }

    private static func unusable(_ message: String) -> EtcdError {
        EtcdError(failureClass: .notSent, code: .configuration, message: message)
    }
}
