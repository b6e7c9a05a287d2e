import Synchronization
import UnixSignals

/// Whether the process was ever asked to stop, whoever else listens.
final class StopRequest: Sendable {
    private let wasRequested = Mutex(false)
    private let task = Mutex<Task<Void, Never>?>(nil)

    init() {
        // Unstructured: it lives as long as the process serves.
        task.withLock { task in
            task = Task { [weak self] in
                for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                    self?.wasRequested.withLock { $0 = true }
                }
            }
        }
    }

    var isRequested: Bool { wasRequested.withLock { $0 } }

    func cancel() {
        task.withLock { $0 }?.cancel()
    }
}
