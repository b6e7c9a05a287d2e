import Foundation
package import LedgerCore
import Synchronization

/// `ledgerctl witness` in a process of its own, with a state that outlives it.
package final class WitnessProcess: Sendable {
    package let verifier: CosignatureVerifier
    package let port: Int
    private let folder: URL
    private let arguments: [String]
    private let process: Mutex<ChildProcess>

    /// Starts one that knows this ledger, and waits until it listens.
    package init(log: NoteVerifier) async throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "witness-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let name = "witness.example/w1"
        let key = try SigningKeyFile(seed: 99, origin: name, in: folder)
        verifier = try CosignatureSigner(
            name: name, privateKey: [UInt8](repeating: 99, count: 32)
        ).verifier
        arguments = [
            "witness", "--key", key.path, "--name", name, "--state",
            folder.appending(path: "state").path, "--log", log.verifierKey, "--listen",
        ]
        let process = try Self.start(arguments + ["127.0.0.1:0"], in: folder)
        self.process = Mutex(process)
        port = try await Self.port(of: process)
    }

    deinit {
        process.withLock { $0.send(SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    /// What `LEDGER_WITNESSES` takes.
    package var setting: String { "\(verifier.verifierKey)=http://127.0.0.1:\(port)" }

    /// Ends it without a word, and starts it on the same port.
    package func restart() async throws {
        let old = process.withLock { $0 }
        old.send(SIGKILL)
        _ = await old.waitForEnd()
        let new = try Self.start(arguments + ["127.0.0.1:\(port)"], in: folder)
        process.withLock { $0 = new }
        _ = try await Self.port(of: new)
    }

    private static func start(_ arguments: [String], in folder: URL) throws -> ChildProcess {
        try ChildProcess(
            LedgerProcess.program("ledgerctl"), arguments: arguments, environment: [:], in: folder,
            log: folder.appending(path: "\(UUID().uuidString).log"))
    }

    private static func port(of process: ChildProcess) async throws -> Int {
        var found: Int?
        try await eventually("the witness listens") {
            let line = process.output.split(separator: "\n").first { $0.contains("listens on") }
            found = line?.split(separator: " ").last.flatMap { Int($0) }
            if let status = process.exitStatus {
                throw TestFailure("the witness ended with \(status): \(process.output)")
            }
            return found != nil
        }
        return found ?? 0
    }
}
