import Synchronization

/// What is put in, in order, for one reader who takes all that is there.
final class Mailbox<Item: Sendable>: Sendable {
    private struct State {
        var items: [Item] = []
        var isClosed = false
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Puts something in; after `close` it is dropped.
    func put(_ item: Item) {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.isClosed else { return nil }
            state.items.append(item)
            return state.reader.take()
        }?.resume()
    }

    /// What is in it may still be taken.
    func close() {
        state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isClosed = true
            return state.reader.take()
        }?.resume()
    }

    /// Everything that was put in since the last call, at least one thing; nil when it is closed and empty.
    func takeAll() async -> [Item]? {
        while true {
            let (items, isClosed) = state.withLock { state in
                defer { state.items = [] }
                return (state.items, state.isClosed)
            }
            if !items.isEmpty { return items }
            if isClosed || Task.isCancelled { return nil }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    state.withLock { state -> CheckedContinuation<Void, Never>? in
                        if !state.items.isEmpty || state.isClosed || Task.isCancelled {
                            return continuation
                        }
                        state.reader = continuation
                        return nil
                    }?.resume()
                }
            } onCancel: {
                state.withLock { $0.reader.take() }?.resume()
            }
        }
    }
}
