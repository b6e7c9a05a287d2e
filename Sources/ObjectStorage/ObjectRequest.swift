/// One request to a store, as it ended.
package struct ObjectRequest: Sendable, Hashable {
    /// The raw values are labels of metrics.
    package enum Operation: String, Sendable, Hashable, CaseIterable {
        case read, put, replace, list, remove
    }

    package enum Result: Sendable, Hashable {
        case ok
        /// The object that was to be read does not exist.
        case absent
        /// The object that was to be made exists.
        case exists
        case failed(ObjectStoreError.Kind)

        /// For metrics.
        package var label: String {
            switch self {
            case .ok: "ok"
            case .absent: "absent"
            case .exists: "exists"
            case .failed(let kind): kind.rawValue
            }
        }
    }

    package var operation: Operation
    package var result: Result
    /// The object's bytes that were read or written; 0 for other operations and where the request failed.
    package var byteCount: Int
    package var duration: Duration

    package init(operation: Operation, result: Result, byteCount: Int, duration: Duration) {
        self.operation = operation
        self.result = result
        self.byteCount = byteCount
        self.duration = duration
    }
}

/// Told of every request when it ends; of a request that is repeated, each attempt. Called from any thread, and must
/// not block.
package typealias ObjectRequestObserver = @Sendable (ObjectRequest) -> Void

/// Times requests and tells an observer of them.
struct RequestReporter: Sendable {
    let observer: ObjectRequestObserver?

    func report<Value>(
        _ operation: ObjectRequest.Operation,
        _ body: () async throws(ObjectStoreError) -> (Value, ObjectRequest.Result, Int)
    ) async throws(ObjectStoreError) -> Value {
        guard let observer else { return try await body().0 }
        let start = ContinuousClock.now
        do throws(ObjectStoreError) {
            let (value, result, byteCount) = try await body()
            observer(
                ObjectRequest(
                    operation: operation, result: result, byteCount: byteCount,
                    duration: .now - start))
            return value
        } catch {
            observer(
                ObjectRequest(
                    operation: operation, result: .failed(error.kind), byteCount: 0,
                    duration: .now - start))
            throw error
        }
    }
}
