package import Foundation
import Synchronization

/// A child process of the test's, with its output in a file and its exit status.
package final class ChildProcess: Sendable {
    private struct State {
        var exitStatus: Int32?
        var waiting: [CheckedContinuation<Int32, Never>] = []
    }

    /// Valid until the process has ended.
    package let processID: Int32
    /// Everything the process wrote.
    package let log: URL
    private let state: Shared

    private final class Shared: Sendable {
        let state = Mutex(State())

        func end(_ status: Int32) {
            let waiting = state.withLock { state in
                state.exitStatus = status
                return exchange(&state.waiting, with: [])
            }
            for continuation in waiting { continuation.resume(returning: status) }
        }
    }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - environment: All of it: nothing is inherited.
    ///   - folder: Its working directory.
    ///   - log: The file that its output is appended to.
    package init(
        _ program: URL, arguments: [String] = [], environment: [String: String], in folder: URL,
        log: URL
    ) throws {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.environment = environment
        process.currentDirectoryURL = folder
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let output = try FileHandle(forWritingTo: log)
        try output.seekToEnd()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        let shared = Shared()
        process.terminationHandler = { process in
            let isExit = process.terminationReason == .exit
            shared.end(isExit ? process.terminationStatus : -process.terminationStatus)
        }
        try process.run()
        try output.close()
        processID = process.processIdentifier
        self.log = log
        state = shared
    }

    /// The exit code, or the negative number of the signal that ended it; nil while it runs.
    package var exitStatus: Int32? { state.state.withLock { $0.exitStatus } }

    /// Sends a signal, unless the process has ended.
    package func send(_ signal: Int32) {
        state.state.withLock { state in
            if state.exitStatus == nil { _ = kill(processID, signal) }
        }
    }

    /// Stops the process without ending it, unless it has ended.
    func pause() {
        state.state.withLock { state in
            if state.exitStatus == nil { pauseProcess(processID) }
        }
    }

    /// Waits for the end of the process, which nothing here brings about.
    @discardableResult
    package func waitForEnd() async -> Int32 {
        await withCheckedContinuation { continuation in
            let status = state.state.withLock { state in
                if state.exitStatus == nil { state.waiting.append(continuation) }
                return state.exitStatus
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    /// Everything the process has written so far.
    package var output: String {
        String(decoding: (try? Data(contentsOf: log)) ?? Data(), as: UTF8.self)
    }
}
