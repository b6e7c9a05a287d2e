import Dispatch
import Synchronization

/// Runs blocking calls of the system away from the threads that run tasks.
final class BlockingQueue: Sendable {
    private let queues: [DispatchQueue]
    private let turn = Atomic<UInt>(0)

    /// - Parameter width: How many calls may block at once.
    init(label: String, width: Int) {
        queues = (0..<width).map { DispatchQueue(label: "\(label).\($0)") }
    }

    /// Waits for the call, whatever becomes of the caller's task: a write is never left half done.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ObjectStoreError) -> Value
    ) async throws(ObjectStoreError) -> Value {
        let number = turn.add(1, ordering: .relaxed).newValue
        let queue = queues[Int(number % UInt(queues.count))]
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, ObjectStoreError>, Never>) in
            queue.async { continuation.resume(returning: Result(catching: body)) }
        }
        return try result.get()
    }
}
