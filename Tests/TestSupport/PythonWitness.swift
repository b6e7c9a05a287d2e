import Foundation

/// A witness in another language (Tests/python/witness.py), which can misbehave; it ends with this object.
package final class PythonWitness: Sendable {
    package let port: Int
    package let verifierKey: String
    private let processID: Int32
    private let input: FileHandle

    /// Starts one and waits until it listens.
    ///
    /// - Parameter logs: verifier keys of the ledgers that it knows.
    package init(name: String, seed: UInt8, logs: [String], mode: String = "normal") throws {
        let root = EtcdCluster.root
        let python = root.appending(path: ".local/venv/bin/python")
        guard FileManager.default.isExecutableFile(atPath: python.path) else {
            throw TestFailure("there is no \(python.path): run ./setup-env.sh")
        }
        let process = Process()
        process.executableURL = python
        process.arguments =
            ["-B", root.appending(path: "Tests/python/witness.py").path, "--name", name]
            + ["--seed", String(repeating: String(format: "%02x", seed), count: 32)]
            + logs.flatMap { ["--log", $0] } + ["--mode", mode]
        let (output, input) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw TestFailure("the witness in Python does not start") }
            line += more
        }
        let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count == 3, let port = Int(words[1]) else {
            throw TestFailure("the witness in Python says \(words)")
        }
        self.port = port
        verifierKey = String(words[2])
        processID = process.processIdentifier
        self.input = input.fileHandleForWriting
    }

    deinit { stop() }

    /// What `LEDGER_WITNESSES` takes.
    package var setting: String { "\(verifierKey)=http://127.0.0.1:\(port)" }

    /// Ends it; its memory goes with it.
    package func stop() {
        kill(processID, SIGKILL)
        try? input.close()
    }

    /// How it answers from now on.
    package func set(mode: String) async throws {
        let answer = await LoopbackHTTP.exchange(
            port: port,
            "POST /control HTTP/1.1\r\nHost: witness\r\nConnection: close\r\n"
                + "Content-Length: \(mode.utf8.count)\r\n\r\n\(mode)")
        guard answer.hasPrefix("HTTP/1.1 200") else {
            throw TestFailure("the witness in Python has no mode \(mode)")
        }
    }

    /// How many requests it has had.
    package func requests() async throws -> Int {
        let body = try await LoopbackHTTP.get(port: port, path: "/")?.body
        return Int(body?.split(separator: "\n").first ?? "") ?? -1
    }
}
