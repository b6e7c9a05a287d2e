package import Foundation
import Synchronization

/// A child process of the test's, with its output in a file.
package final class EtcdClusterProcess: Sendable {
    private struct State {
        var hasEnded = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Sent to with `kill` as long as `hasEnded` is false.
    package let processID: Int32
    /// Everything the process wrote.
    package let log: URL
    private let state: Mutex<State>
    /// While this is open, the process has an open standard input.
    private let input: FileHandle?

    /// - Parameters:
    ///   - command: The program, found in PATH, and its arguments.
    ///   - log: The file that its output is appended to.
    ///   - keepsInput: Whether the process gets a standard input that ends with this object, or
    ///     with the test's process; otherwise it gets none.
    package init(
        _ command: [String], environment: [String: String] = [:], log: URL,
        keepsInput: Bool = false
    ) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if !FileManager.default.fileExists(atPath: log.path) {
            try Data().write(to: log)
        }
        let output = try FileHandle(forWritingTo: log)
        try output.seekToEnd()
        process.standardOutput = output
        process.standardError = output
        let pipe = keepsInput ? Pipe() : nil
        process.standardInput = pipe ?? FileHandle.nullDevice
        let box = EndOfProcess()
        process.terminationHandler = { _ in box.signal() }
        try process.run()
        try output.close()
        processID = process.processIdentifier
        input = pipe?.fileHandleForWriting
        self.log = log
        state = Mutex(State())
        box.whenSignalled { [self] in end() }
    }

    package var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// Sends a signal, unless the process has ended already.
    package func send(_ signal: Int32) {
        state.withLock { state in
            if !state.hasEnded { _ = kill(processID, signal) }
        }
    }

    /// Waits for the end of the process, which nothing here brings about.
    package func waitForEnd() async {
        await withCheckedContinuation { continuation in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiting.append(continuation) }
                return state.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }

    /// Ends the standard input of a process that was made with one.
    package func endInput() {
        try? input?.close()
    }

    private func end() {
        let waiting = state.withLock { state in
            state.hasEnded = true
            return exchange(&state.waiting, with: [])
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// Carries the end of a process over to an object that is made only after the process started.
private final class EndOfProcess: Sendable {
    private struct State {
        var isSignalled = false
        var action: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    func signal() {
        let action = state.withLock { state in
            state.isSignalled = true
            return state.action
        }
        action?()
    }

    func whenSignalled(_ action: @escaping @Sendable () -> Void) {
        let isSignalled = state.withLock { state in
            state.action = action
            return state.isSignalled
        }
        if isSignalled { action() }
    }
}
