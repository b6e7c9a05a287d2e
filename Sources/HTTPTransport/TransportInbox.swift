internal import CCurlShims
import Synchronization

/// What other threads want of the thread that owns libcurl.
enum TransportCommand: Sendable {
    case start(TransferRequest)
    case cancel(id: UInt64)
    case shutDown(CheckedContinuation<Void, Never>?)
}

/// The one thing that the callers' threads and libcurl's thread share.
final class TransportInbox: Sendable {
    private struct Contents: ~Copyable {
        var commands: [TransportCommand] = []
        /// Wakes libcurl's thread; nil before it waits for the first time and once it has ended.
        var waker: Waker?
    }

    private let contents = Mutex(Contents())

    /// Hands a command over and wakes the thread.
    ///
    /// - Returns: False when the thread has ended; the command is not carried out then.
    func send(_ command: TransportCommand) -> Bool {
        contents.withLock { contents in
            guard let waker = contents.waker else { return false }
            contents.commands.append(command)
            // Where something lies in the inbox already, the thread was woken for that.
            if contents.commands.count == 1 { waker.wake() }
            return true
        }
    }

    /// Takes all that came since the last call.
    func take() -> [TransportCommand] {
        contents.withLock { contents in
            guard !contents.commands.isEmpty else { return [] }
            return exchange(&contents.commands, with: [])
        }
    }

    /// From now on commands are accepted.
    func open(_ waker: Waker) {
        contents.withLock { $0.waker = waker }
    }

    /// From now on nothing is accepted, and the waker is not touched again.
    ///
    /// - Returns: What came in at the last moment.
    func close() -> [TransportCommand] {
        contents.withLock { contents in
            contents.waker = nil
            return exchange(&contents.commands, with: [])
        }
    }
}

/// Wakes the thread that polls a multi handle.
///
/// Sendable although it holds a pointer: `curl_multi_wakeup` is the one function of libcurl that
/// may be called from any thread. The handle stays valid because the inbox, under its lock,
/// forgets the waker before the handle is freed.
@safe struct Waker: @unchecked Sendable {
    private let multi: UnsafeMutableRawPointer

    init(_ multi: UnsafeMutableRawPointer) {
        unsafe self.multi = multi
    }

    func wake() {
        // It fails only where the handle is not one, which the rule above excludes.
        _ = unsafe curl_multi_wakeup(multi)
    }
}
