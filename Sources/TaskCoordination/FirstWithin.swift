/// What `body` gives, or nil where it takes longer than `limit`, or the waiting task is cancelled.
///
/// It is cancelled then but not waited for: what nothing can end (a file on a hung network disk) holds nobody up.
///
/// - Parameter limit: nil waits until the body is done or the waiting task is cancelled.
package func first<Value: Sendable>(
    within limit: Duration?, _ body: @escaping @Sendable () async -> Value
) async -> Value? {
    let answer = Settlement<Value?>()
    // Bare tasks, for a group would wait for the one that hangs.
    let work = Task { answer.settle(await body()) }
    let alarm = limit.map { limit in
        Task {
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            answer.settle(nil)
        }
    }
    defer {
        work.cancel()
        alarm?.cancel()
    }
    return await withTaskCancellationHandler {
        await answer.value
    } onCancel: {
        answer.settle(nil)
    }
}
