import Foundation
import TestSupport
import Testing

/// The programs as they are started from a shell.
@Suite("Command lines")
struct CommandLineTests {
    private struct Ended {
        var status: Int32
        var output: String
        var errors: String

        var lines: [Substring] { errors.split(separator: "\n") }
    }

    /// Runs a shell script, in which `$service` and `$ctl` are the programs, in an empty folder.
    private func run(
        _ script: String, settings: [String: String] = [:], file: String? = nil,
        output: FileHandle? = nil
    ) throws -> Ended {
        let folder = FileManager.default.temporaryDirectory.appending(path: "commands-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        if let file { try Data(file.utf8).write(to: folder.appending(path: ".env")) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", script]
        process.currentDirectoryURL = folder
        process.environment = settings.merging([
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "",
            "service": LedgerProcess.program.path, "ctl": LedgerProcess.program("ledgerctl").path,
        ]) { $1 }
        process.standardInput = FileHandle.nullDevice
        let errors = folder.appending(path: "errors")
        let text = folder.appending(path: "output")
        try Data().write(to: errors)
        try Data().write(to: text)
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardOutput = try output ?? FileHandle(forWritingTo: text)
        try process.run()
        process.waitUntilExit()
        return Ended(
            status: process.terminationReason == .exit
                ? process.terminationStatus : -process.terminationStatus,
            output: try String(contentsOf: text, encoding: .utf8),
            errors: try String(contentsOf: errors, encoding: .utf8))
    }

    @Test("ledger-service says what it is, and refuses an argument that it does not know")
    func serviceHelp() throws {
        let help = try run("$service --help")
        #expect(help.status == 0 && help.output.contains("--check-config"))
        let version = try run("$service --version")
        #expect(version.status == 0 && version.output.hasPrefix("ledger-service "))
        for argument in ["--frobnicate", "serve", "--check-config --print-config", "-o json"] {
            let refused = try run("timeout 20 $service \(argument)")
            #expect(refused.status == 64, "\(argument)")
            #expect(refused.output.isEmpty && !refused.errors.isEmpty)
        }
    }

    @Test("--check-config tells every error at once, and so does the start")
    func checkConfig() throws {
        let good = try run("$service --check-config", settings: ["LEDGER_PORT": "0"])
        #expect(good.status == 0 && good.errors.isEmpty)
        let bad = ["LEDGER_PORT": "http", "LEDGER_PREFIX": "a b", "LOG_LEVEL": "loud"]
        for command in ["--check-config", "--print-config", ""] {
            let ended = try run("timeout 20 $service \(command)", settings: bad)
            #expect(ended.status == 64)
            #expect(ended.lines.count == bad.count)
            for name in bad.keys {
                #expect(
                    ended.lines.contains { $0.hasPrefix("ledger-service: \(name)=") }, "\(name)")
            }
        }
    }

    @Test("--print-config reads the .env file as the service does, and shows no secret")
    func printConfig() throws {
        let ended = try run(
            "$service --print-config --output json",
            settings: ["LEDGER_INTERNAL_TOKEN": "hunter2-hunter2-hunter2"],
            file: "export LEDGER_PREFIX='mine/' # ours\nETCD_ENDPOINTS = \"http://a:1\"\n")
        #expect(ended.status == 0)
        let values = try JSONDecoder().decode([String: String?].self, from: Data(ended.output.utf8))
        #expect(values["LEDGER_PREFIX"] == "mine/")
        #expect(values["ETCD_ENDPOINTS"] == "http://a:1")
        #expect(values["LEDGER_INTERNAL_TOKEN"] == "set")
        #expect(!ended.output.contains("hunter2"))
    }

    @Test("--print-config prints what is accepted beside what is not")
    func partly() throws {
        let ended = try run(
            "$service --print-config",
            settings: ["LEDGER_PORT": "http", "ETCD_ENDPOINTS": "http://a:1"])
        #expect(ended.status == 64)
        let lines = ended.output.split(separator: "\n")
        #expect(lines.contains("ETCD_ENDPOINTS=http://a:1"))
        #expect(!lines.contains { $0.hasPrefix("LEDGER_PORT=") })
    }

    @Test(
        "Output that cannot be written is said, with an exit code; a reader that has gone is not",
        arguments: [
            "$service --print-config", "$service --print-config --output json",
            "$service --check-config", "$service --help", "$service --version", "$ctl --help",
            "$ctl submit --help",
        ])
    func fullDisk(command: String) throws {
        let full = try run("\(command) >/dev/full")
        #expect(full.status == 1)
        #expect(full.errors.contains("standard output cannot be written: No space left"))
        #expect(full.lines.count == 1)

        let pipe = Pipe()
        try pipe.fileHandleForReading.close()
        let closed = try run(command, output: pipe.fileHandleForWriting)
        #expect(closed.status == 1 && closed.errors.isEmpty)
    }

    @Test("An argument, or a setting, that is not UTF-8 is refused before anything is sent")
    func badBytes() throws {
        let id = #""$(printf 'evt-\377')""#
        let ended = try run("$ctl submit --payload x --id \(id)")
        #expect(ended.status == 64)
        #expect(ended.errors.contains(#"argument 5 is not UTF-8: evt-\xff"#))
        let setting = try run(
            #"LEDGER_ORIGIN="$(printf 'a\377')" timeout 20 $service --check-config"#)
        #expect(setting.status == 64)
        #expect(setting.errors.contains("LEDGER_ORIGIN is not UTF-8"))
    }

    @Test("Nobody is asked for the pass phrase of a key, on a terminal either")
    func prompts() throws {
        let ended = try run(
            """
            openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem
            openssl req -x509 -new -key key.pem -subj /O=x -out cert.pem
            openssl pkey -in key.pem -aes-256-cbc -passout pass:x -out locked.pem
            export ETCD_ENDPOINTS=https://127.0.0.1:1 ETCD_CA_CERT=cert.pem
            export ETCD_CLIENT_CERT=cert.pem ETCD_CLIENT_KEY=locked.pem
            timeout 20 script --quiet --return --command "$service" /dev/null
            """)
        #expect(ended.status == 64, "\(ended.output)")
        let lines = ended.output.split(whereSeparator: \.isNewline)
        #expect(lines.count == 1)
        #expect(lines.first?.contains("ETCD_CLIENT_KEY") == true)
    }
}
