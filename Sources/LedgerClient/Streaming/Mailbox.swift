internal import Synchronization

/// A first-in, first-out queue between tasks. It is unbounded by itself: a ``Gate`` bounds what is
/// put into it.
///
/// Unlike an `AsyncStream` it loses nothing, and stays open, when a receiving task is cancelled:
/// the next receiver goes on where that one stopped.
package final class Mailbox<Element: Sendable>: Sendable {
    private enum Step {
        case answer(Element?)
        case wait
    }

    private struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Element?, Never>
    }

    private struct State {
        var elements: [Element?] = []
        var first = 0
        var isClosed = false
        var nextID: UInt64 = 0
        var waiters: [Waiter] = []

        mutating func takeFirst() -> Element? {
            guard first < elements.count else { return nil }
            let element = elements[first].take()
            first += 1
            if first >= 64, first * 2 >= elements.count {
                elements.removeFirst(first)
                first = 0
            }
            return element
        }
    }

    private let state = Mutex(State())

    /// Creates an empty, open mailbox.
    package init() {}

    /// Adds an element; without effect once the mailbox is closed.
    package func send(_ element: Element) {
        let waiter: Waiter? = state.withLock { state in
            guard !state.isClosed else { return nil }
            if !state.waiters.isEmpty { return state.waiters.removeFirst() }
            state.elements.append(element)
            return nil
        }
        waiter?.continuation.resume(returning: element)
    }

    /// Ends the mailbox: receivers get what is in it, then nil.
    package func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: nil) }
    }

    /// The next element; nil where the mailbox is closed and empty, or the task is cancelled.
    package func next() async -> Element? {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let step: Step = state.withLock { state in
                    // The cancellation handler may have run before the waiter exists.
                    if Task.isCancelled { return .answer(nil) }
                    if let element = state.takeFirst() { return .answer(element) }
                    if state.isClosed { return .answer(nil) }
                    state.waiters.append(Waiter(id: id, continuation: continuation))
                    return .wait
                }
                if case .answer(let element) = step { continuation.resume(returning: element) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: nil)
        }
    }
}
