import Synchronization

/// Tells the open calls that the replica stops.
package final class ShutdownSignal: Sendable {
    /// Names who observes the signal.
    package struct Observer: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    private struct State {
        var isRaised = false
        var handlers: [UInt64: @Sendable () -> Void] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    package var isRaised: Bool { state.withLock { $0.isRaised } }

    /// Calls every observer, now and from now on.
    package func raise() {
        let handlers = state.withLock { state in
            state.isRaised = true
            defer { state.handlers = [:] }
            return state.handlers.values.map { $0 }
        }
        for handler in handlers { handler() }
    }

    /// Calls `handler` once when the signal is raised; at once where it was raised already.
    package func observe(_ handler: @escaping @Sendable () -> Void) -> Observer {
        let (number, isRaised) = state.withLock { state in
            state.next += 1
            if !state.isRaised { state.handlers[state.next] = handler }
            return (state.next, state.isRaised)
        }
        if isRaised { handler() }
        return Observer(number: number)
    }

    package func forget(_ observer: Observer) {
        state.withLock { $0.handlers[observer.number] = nil }
    }
}
