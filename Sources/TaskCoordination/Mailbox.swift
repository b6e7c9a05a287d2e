import Synchronization

/// A first-in, first-out queue between tasks. It is unbounded by itself: what is put into it is bounded by others, a
/// ``Gate`` for example.
///
/// Unlike an `AsyncStream` it loses nothing, and stays open, when a receiving task is cancelled: the next receiver goes on
/// where that one stopped.
package final class Mailbox<Element: Sendable>: Sendable {
    private typealias Receiver = CheckedContinuation<Void, Never>

    private struct State {
        var elements: [Element?] = []
        /// Where the first element is; those before it are taken.
        var first = 0
        var isClosed = false
        var nextID: UInt64 = 0
        var receivers: [(id: UInt64, continuation: Receiver)] = []

        var isEmpty: Bool { first == elements.count }

        mutating func takeFirst() -> Element? {
            if isEmpty { return nil }
            let element = elements[first].take()
            first += 1
            if first >= 64, first * 2 >= elements.count {
                elements.removeFirst(first)
                first = 0
            }
            return element
        }

        mutating func takeAll() -> [Element]? {
            if isEmpty { return nil }
            defer { (elements, first) = ([], 0) }
            return elements[first...].compactMap { $0 }
        }

        /// One who waits, where there is something to be had.
        mutating func receiverToWake() -> Receiver? {
            isEmpty || receivers.isEmpty ? nil : receivers.removeFirst().continuation
        }
    }

    private let state = Mutex(State())

    /// Makes an empty, open mailbox.
    package init() {}

    /// Puts something in; without effect once the mailbox is closed.
    package func put(_ element: Element) {
        state.withLock { state -> Receiver? in
            guard !state.isClosed else { return nil }
            state.elements.append(element)
            return state.receiverToWake()
        }?.resume()
    }

    /// Ends the mailbox: receivers get what is in it, then nil.
    package func close() {
        let receivers = state.withLock { state in
            state.isClosed = true
            defer { state.receivers = [] }
            return state.receivers
        }
        for receiver in receivers { receiver.continuation.resume() }
    }

    /// The next element; nil where the mailbox is closed and empty, or the task is cancelled.
    package func next() async -> Element? {
        await take { $0.takeFirst() }
    }

    /// Everything that is there, at least one element; nil as above.
    package func takeAll() async -> [Element]? {
        await take { $0.takeAll() }
    }

    private func take<Taken: Sendable>(_ taking: (inout State) -> Taken?) async -> Taken? {
        while !Task.isCancelled {
            let (taken, isClosed) = state.withLock { (taking(&$0), $0.isClosed) }
            if taken != nil || isClosed { return taken }
            await waitForMore()
        }
        // It may have been this receiver that was woken for what came; another one gets it.
        state.withLock { $0.receiverToWake() }?.resume()
        return nil
    }

    /// Waits until there is something, the mailbox is closed or the task is cancelled.
    private func waitForMore() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Receiver) in
                state.withLock { state -> Receiver? in
                    // The cancellation handler may have run before the receiver exists.
                    if !state.isEmpty || state.isClosed || Task.isCancelled { return continuation }
                    state.receivers.append((id, continuation))
                    return nil
                }?.resume()
            }
        } onCancel: {
            state.withLock { state in
                state.receivers.firstIndex { $0.id == id }
                    .map { state.receivers.remove(at: $0).continuation }
            }?.resume()
        }
    }
}
