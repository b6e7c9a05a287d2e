import EtcdGateway
import Synchronization

/// Keeps what an observer is told.
final class RecordingObserver: EtcdRequestObserver {
    private let recorded = Mutex<[String]>([])

    /// `operation result`, in order.
    var results: [String] { recorded.withLock { $0 } }

    func etcdRequestEnded(operation: String, result: String, duration: Duration) {
        recorded.withLock { $0.append("\(operation) \(result)") }
    }
}
