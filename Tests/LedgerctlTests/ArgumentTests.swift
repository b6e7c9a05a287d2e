import ArgumentParser
import CommandLineSupport
import Foundation
import LedgerClient
import LedgerVerify
import Testing

@testable import ledgerctl

@Suite("Arguments of ledgerctl")
struct ArgumentTests {
    private func parse<Command>(_ type: Command.Type, _ line: String) throws -> Command {
        let arguments = line.split(separator: " ").map(String.init)
        return try #require(try Ledgerctl.parseAsRoot(arguments) as? Command)
    }

    @Test("An event to submit")
    func submit() throws {
        let command = try parse(
            SubmitCommand.self,
            "submit --id e --payload x --signature s --timestamp 5 --metadata a=1 --metadata b=c=d")
        #expect(command.id == "e")
        #expect(command.timestamp == 5)
        #expect(try command.parsedMetadata() == ["a": "1", "b": "c=d"])
    }

    @Test(
        "Command lines that are refused",
        arguments: [
            "submit", "submit --id e", "submit --id e --payload x --payload-file y",
            "submit --jsonl f --id e", "submit --id e --payload x --metadata a",
            "submit --id e --payload x --metadata =a",
            "submit --id e --payload x --metadata a=1 --metadata a=2", "get", "get 1 --id e",
            "get x", "get -1", "get 1 --tls-cert c", "get 1 --server a:b", "get 1 --deadline-ms 0",
            "get 1 --output xml", "bench --mode fast", "bench --rate 0", "bench --window 0",
            "frobnicate", "keygen --name a", "keygen --out f", "keygen --name a+b --out f",
            "keygen --name a --out f --public g", "proof inclusion",
            "proof inclusion --number 1 --size 2 --checkpoint f", "proof consistency",
            "proof consistency --first 1 --first-checkpoint f",
            "proof consistency --first 1 --second 2 --second-checkpoint f", "receipt get",
            "receipt get 1 --wait -1", "receipt get 1 --wait 60001", "receipt verify",
            "verify --offline", "verify folder", "verify --offline --first 1 folder",
            "verify --checkpoint f", "verify --chunk-events 0", "export",
            "export --out d --format xml",
            "export --out d --first 1", "export --out d --format csv --first 0",
            "export --out d --format csv --first 2 --last 1",
        ])
    func refused(line: String) {
        let error = #expect(throws: (any Error).self) {
            try Ledgerctl.parseAsRoot(line.split(separator: " ").map(String.init))
        }
        #expect(error.map { Ledgerctl.exitCode(for: $0).rawValue } == 64)
    }

    @Test("Arguments that are not UTF-8 are refused: repaired, two of them would be one")
    func bytes() {
        let good = Array("evt-é".utf8)
        let bad = Array("evt-".utf8) + [0xFF]
        #expect(RawArguments.problem(in: [good]) == nil)
        #expect(
            RawArguments.problem(in: [good, bad]) == "argument 2 is not UTF-8: evt-\\xff")
        #expect(RawArguments.problem(in: [[0xED, 0xA0, 0x80]]) != nil)
        let environment = Array("PATH=\u{FF}".utf8.dropLast()) + [0] + Array("LEDGER_PORT=1".utf8)
        #expect(RawArguments.problem(inEnvironment: environment, prefixes: ["LEDGER_"]) == nil)
        #expect(
            RawArguments.problem(inEnvironment: environment, prefixes: ["PATH"])
                == "PATH is not UTF-8")
    }

    @Test("The address comes from the option, then the environment, then the default")
    func address() throws {
        let given = try parse(GetCommand.self, "get 1 --server a:1").options
        #expect(try given.address(environment: ["LEDGER_ADDRESS": "b:2"]).description == "a:1")
        let open = try parse(GetCommand.self, "get 1").options
        #expect(try open.address(environment: ["LEDGER_ADDRESS": "b:2"]).description == "b:2")
        #expect(try open.address(environment: [:]).description == "127.0.0.1:50051")
        #expect(
            try open.address(environment: ["LEDGER_ADDRESS": ""]).description == "127.0.0.1:50051")
        #expect(throws: (any Error).self) {
            try open.address(environment: ["LEDGER_ADDRESS": "::"])
        }
    }

    @Test("Any TLS option turns TLS on")
    func security() throws {
        func security(_ options: String) throws -> TransportSecurity {
            try parse(GetCommand.self, "get 1 " + options).options.security
        }
        #expect(try security("") == .plaintext)
        #expect(
            try security("--tls") == .tls(caCertificatePath: nil, clientCertificate: nil))
        #expect(
            try security("--tls-ca ca.pem")
                == .tls(caCertificatePath: "ca.pem", clientCertificate: nil))
        let certificate = ClientCertificate(certificatePath: "c", privateKeyPath: "k")
        #expect(
            try security("--tls-cert c --tls-key k")
                == .tls(caCertificatePath: nil, clientCertificate: certificate))
        #expect(
            try security("--server-name ledger-service --tls-ca ca.pem")
                == .tls(
                    caCertificatePath: "ca.pem", clientCertificate: nil,
                    serverName: "ledger-service"))
        #expect(throws: (any Error).self) { try security("--server-name=") }
    }

    @Test("Deadline and retries reach the client")
    func client() throws {
        let options = try parse(
            GetCommand.self, "get 1 --deadline-ms 250 --retry-for 3 --server a:1"
        ).options
        let configuration = try options.clientConfiguration()
        #expect(configuration.submissionDeadline == .milliseconds(250))
        #expect(configuration.retryPolicy.overallTime == .seconds(3))
        let once = try parse(GetCommand.self, "get 1 --no-retry --server a:1").options
        #expect(try once.clientConfiguration().retryPolicy.maximumAttempts == 1)
    }

    @Test(
        "Verifier keys come from options and files, and where there are none from the environment")
    func verifierKeys() throws {
        let first = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        let second =
            "ledger.example.com/vectors+b89bb6f9+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
        func keys(_ line: String, _ variable: String? = nil) throws -> [String] {
            let options = try parse(CheckpointCommand.self, "checkpoint " + line).keyOptions
            let environment = variable.map { ["LEDGER_VERIFIER_KEYS": $0] } ?? [:]
            return try options.keys(environment: environment).map(\.description)
        }
        #expect(try keys("") == [])
        #expect(try keys("", "") == [])
        #expect(try keys("", "\(first), \(second)\n") == [first, second])
        #expect(try keys("--verifier-key \(second)", first) == [second])
        #expect(
            try keys("--verifier-key \(second) --verifier-key \(first)") == [second, first])
        let file = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("# ours\n\n  \(first)\r\n\(second)".utf8).write(to: file)
        #expect(try keys("--verifier-key-file \(file.path)", second) == [first, second])
        #expect(throws: (any Error).self) { try keys("--verifier-key x") }
        #expect(throws: (any Error).self) { try keys("", "x") }
        #expect(throws: (any Error).self) { try keys("--verifier-key-file \(file.path)x") }
        try Data(repeating: 0x0A, count: 10 << 20).write(to: file)
        #expect(throws: (any Error).self) { try keys("--verifier-key-file \(file.path)") }
    }

    @Test("A benchmark's plan")
    func bench() throws {
        let stream = try parse(BenchCommand.self, "bench --mode stream --server a:1").plan()
        #expect(stream.inFlight == 2)
        #expect(stream.window == 1024)
        #expect(stream.durationSeconds == 10)
        let counted = try parse(
            BenchCommand.self, "bench --events 5 --server a:1 --connections 3"
        ).plan()
        #expect(counted.events == 5)
        #expect(counted.durationSeconds == 600)
        #expect(counted.inFlight == 64)
        #expect(counted.connections.map(\.description) == ["a:1", "a:1", "a:1"])
        let open = try parse(
            BenchCommand.self, "bench --mode open-loop --rate 250.5 --server a:1"
        ).plan()
        #expect(open.rate == 250.5)
    }

    @Test("A benchmark spreads its connections over all servers, and neighbours differ")
    func benchServers() throws {
        let plan = try parse(
            BenchCommand.self, "bench --server a:1 --also b:2 --also [::1]:3 --connections 2"
        ).plan()
        #expect(plan.addresses.map(\.description) == ["a:1", "b:2", "[::1]:3"])
        #expect(
            plan.connections.map(\.description) == [
                "a:1", "b:2", "[::1]:3", "a:1", "b:2", "[::1]:3",
            ])
        #expect(throws: (any Error).self) { try parse(BenchCommand.self, "bench --also b:c") }
    }

    @Test("The help explains every exit code")
    func help() {
        let help = Ledgerctl.helpMessage()
        for code in ["0", "1", "3", "4", "5", "6", "7", "8", "64"] {
            #expect(help.contains("  \(code) "))
        }
    }
}
