package import Foundation

/// A folder for an archive, and the program that verifies it and shares no code with the service.
package final class ArchiveFolder: Sendable {
    package let url: URL

    /// Makes an empty one.
    package init() throws {
        url = FileManager.default.temporaryDirectory.appending(
            path: "archive-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// What `LEDGER_ARCHIVE` takes.
    package var setting: String { "file://\(url.path)" }

    /// The file of an object.
    package func file(_ name: String) -> URL { url.appending(path: name) }

    package func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: file(name).path)
    }

    /// Changes the bytes of an object that exists.
    package func change(_ name: String, _ change: (inout Data) -> Void) throws {
        var bytes = try Data(contentsOf: file(name))
        change(&bytes)
        try bytes.write(to: file(name), options: .atomic)
    }

    /// Lets the folder be used, or not: without the right to look into it nothing in it can be read or written.
    package func setReachable(_ isReachable: Bool) throws {
        let hidden = url.deletingLastPathComponent().appending(
            path: "\(url.lastPathComponent).away")
        let (from, to) = isReachable ? (hidden, url) : (url, hidden)
        try FileManager.default.moveItem(at: from, to: to)
    }

    /// Verifies everything with scripts/verify-archive.py.
    ///
    /// - Throws: what it says, where anything is wrong or missing.
    package func verify(key: String, sizeAtLeast size: Int = 0) async throws {
        let python = EtcdCluster.root.appending(path: ".local/venv/bin/python")
        guard FileManager.default.isExecutableFile(atPath: python.path) else {
            throw TestFailure("there is no \(python.path): run ./setup-env.sh")
        }
        let log = url.deletingLastPathComponent().appending(
            path: "\(url.lastPathComponent)-\(UUID().uuidString.prefix(8)).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let process = try ChildProcess(
            python,
            arguments: [
                "-B", EtcdCluster.root.appending(path: "scripts/verify-archive.py").path, url.path,
                "--verifier-key", key, "--size-at-least", "\(size)",
            ], environment: [:], in: url.deletingLastPathComponent(), log: log)
        let status = await process.waitForEnd()
        guard status == 0 else {
            let said = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            throw TestFailure("the archive is not right (\(status)): \(said)")
        }
    }
}
