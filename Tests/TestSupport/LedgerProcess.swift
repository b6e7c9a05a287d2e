package import Foundation

/// A `ledger-service` in a process of its own, as it is started in production, on free ports.
///
/// It dies with the cluster whose folder it lives in, and so with the test's process: the cluster's
/// watcher kills every process whose number stands in a `.pid` file there.
package final class LedgerProcess: Sendable {
    /// Debug builds beside other work are slower than the contract: what is tested is what is
    /// answered, and the contract's own 50 ms only where a test says so.
    package static let patientSettings = [
        "LEDGER_PORT": "0", "LEDGER_INTERNAL_PORT": "0", "LEDGER_ADMIN_PORT": "0",
        "LEDGER_BIND_ADDRESS": "127.0.0.1", "LEDGER_COMMIT_DEADLINE_MS": "2000",
        "LEDGER_RESOLVE_DEADLINE_MS": "4000",
    ]

    private let process: ChildProcess
    private let pidFile: URL

    /// Starts the service; nothing is waited for.
    ///
    /// - Parameters:
    ///   - settings: On top of the cluster's and `patientSettings`; an empty value unsets.
    ///   - wrapper: A command that becomes the program which follows it, or runs it.
    package convenience init(
        on cluster: EtcdCluster, settings: [String: String] = [:], wrapper: [String] = []
    ) throws {
        try self.init(
            in: cluster.folder, settings: cluster.environment.merging(settings) { $1 },
            wrapper: wrapper)
    }

    /// Starts the service without a cluster.
    package init(
        in folder: URL, settings: [String: String], wrapper: [String] = []
    ) throws {
        let name = "ledger-\(UUID().uuidString.prefix(8))"
        let home = folder.appending(path: name)
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        var environment = Self.patientSettings.merging(settings) { $1 }.filter { !$1.isEmpty }
        let own = ProcessInfo.processInfo.environment
        environment["PATH"] = own["PATH"]
        // So that all tests can be run against both ways of a submission.
        let way = "LEDGER_DIRECT_SUBMIT"
        environment[way] = environment[way] ?? own[way]
        let command = wrapper + [Self.program.path]
        process = try ChildProcess(
            URL(fileURLWithPath: wrapper.isEmpty ? Self.program.path : "/usr/bin/env"),
            arguments: wrapper.isEmpty ? [] : command, environment: environment, in: home,
            log: folder.appending(path: "\(name).log"))
        pidFile = folder.appending(path: "\(name).pid")
        try "\(process.processID)".write(to: pidFile, atomically: true, encoding: .utf8)
    }

    /// The program, built beside the tests; another one with `LEDGER_SERVICE_BINARY`.
    package static var program: URL {
        if let given = ProcessInfo.processInfo.environment["LEDGER_SERVICE_BINARY"] {
            return URL(fileURLWithPath: given)
        }
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let beside = own.deletingLastPathComponent().appending(path: "ledger-service")
        if FileManager.default.isExecutableFile(atPath: beside.path) { return beside }
        return EtcdCluster.root.appending(path: ".build/debug/ledger-service")
    }

    /// Another program that is built beside it.
    package static func program(_ name: String) -> URL {
        program.deletingLastPathComponent().appending(path: name)
    }

    package var log: String { process.output }
    package var exitStatus: Int32? { process.exitStatus }
    package var processID: Int32 { process.processID }

    /// The last lines of the log, for a failure's message.
    package var lastLines: String {
        log.split(separator: "\n").suffix(25).joined(separator: "\n")
    }

    // MARK: Ports

    /// The port for callers, once it is listened on.
    package func port() async throws -> Int { try await port(of: "the gRPC port listens") }

    /// The port of health, metrics and tiles over HTTP, once it is listened on.
    package func adminPort() async throws -> Int { try await port(of: "the admin port listens") }

    /// The port of tiles alone, once it is listened on; only with `LEDGER_TILES_PORT`.
    package func tilesPort() async throws -> Int { try await port(of: "the tiles port listens") }

    /// The port for other replicas, once it is listened on.
    package func internalPort() async throws -> Int {
        try await port(of: "the internal port listens")
    }

    /// The sum of a metric's series, by its name.
    package func metric(_ name: String) async throws -> Double {
        try await metrics().filter { $0.key == name || $0.key.hasPrefix("\(name){") }
            .values.reduce(0, +)
    }

    private func port(of message: String) async throws -> Int {
        var found: Int?
        try await eventually("the log says \"\(message)\"", within: .seconds(60)) {
            found = loggedPort(message)
            if found == nil, let exitStatus {
                throw TestFailure("ledger-service ended with \(exitStatus):\n\(lastLines)")
            }
            return found != nil
        }
        guard let found else { throw TestFailure("no port") }
        return found
    }

    /// The port for callers after the service has read the ledger anew in the same process.
    package func newestPort(otherThan former: Int) async throws -> Int {
        var found = former
        try await eventually("another port is listened on") {
            found = loggedPort("the gRPC port listens") ?? former
            return found != former
        }
        return found
    }

    private func loggedPort(_ message: String) -> Int? {
        for line in log.split(separator: "\n").reversed() where line.contains(message) {
            guard let field = line.split(separator: " ").first(where: { $0.hasPrefix("port=") })
            else { continue }
            return Int(field.dropFirst("port=".count))
        }
        return nil
    }

    /// Waits until the service serves reads.
    package func waitUntilReady(within limit: Duration = .seconds(60)) async throws {
        let admin = try await adminPort()
        try await eventually("/readyz is 200", within: limit) {
            if let exitStatus {
                throw TestFailure("ledger-service ended with \(exitStatus):\n\(lastLines)")
            }
            return try await LoopbackHTTP.status(port: admin, path: "/readyz") == 200
        }
    }

    // MARK: Metrics

    /// The samples of /metrics by name and labels, as they stand there.
    package func metrics() async throws -> [String: Double] {
        let page = try await LoopbackHTTP.get(port: try await adminPort(), path: "/metrics")
        var samples: [String: Double] = [:]
        for line in (page?.body ?? "").split(whereSeparator: \.isNewline) {
            guard !line.hasPrefix("#"), let space = line.lastIndex(of: " ") else { continue }
            samples[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return samples
    }

    // MARK: Ending

    /// Kills the process at once (SIGKILL) and waits for its end.
    package func kill() async {
        process.send(SIGKILL)
        await process.waitForEnd()
        removePIDFile()
    }

    /// Asks the process to stop (SIGTERM).
    package func terminate() { process.send(SIGTERM) }

    /// Waits for the end of the process, and kills it when it does not come.
    ///
    /// - Returns: The exit code, or the negative number of the signal that ended it.
    package func waitForEnd(within limit: Duration = .seconds(40)) async throws -> Int32 {
        defer { removePIDFile() }
        do {
            try await eventually("ledger-service ends", within: limit) { exitStatus != nil }
        } catch {
            let status = await killed()
            throw TestFailure("\(error); killed: \(status)\n\(lastLines)")
        }
        return await process.waitForEnd()
    }

    /// Stops the process without ending it (SIGSTOP): its connections stay open and silent.
    package func pause() { process.pause() }

    /// Lets a paused process go on.
    package func resume() { process.send(SIGCONT) }

    private func killed() async -> Int32 {
        process.send(SIGKILL)
        return await process.waitForEnd()
    }

    private func removePIDFile() {
        try? FileManager.default.removeItem(at: pidFile)
    }
}
