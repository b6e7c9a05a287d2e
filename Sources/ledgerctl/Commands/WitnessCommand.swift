internal import ArgumentParser
internal import CommandLineSupport
internal import Foundation
internal import LedgerCore
internal import Logging
internal import WitnessServer

struct WitnessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness",
        abstract:
            "Run a witness, which cosigns a ledger's checkpoints as long as they have one past.",
        discussion: """
            ledgerctl witness --listen 127.0.0.1:8087 --name witness.example.com/w1 --key witness.pem \
            --state /var/lib/witness/state --log VERIFIERKEY

            Speaks C2SP tlog-witness: POST /add-checkpoint. It prints its verifier key, which goes into the ledger's \
            LEDGER_WITNESSES, and runs until SIGTERM or SIGINT. The key is an Ed25519 private key (PEM, PKCS #8) that \
            signs nothing else. The state is the witness's memory: with an old copy of it, or none, it could cosign a \
            second past of a ledger. It serves plain HTTP; for callers on other machines put a proxy with TLS before \
            it. docs/witnesses.md has more.
            """)

    @Option(
        name: .long,
        help: ArgumentHelp("Where to listen; port 0 picks a free one.", valueName: "host:port"))
    var listen: String

    @Option(
        name: .long,
        help: ArgumentHelp("A PEM file with the witness's private key.", valueName: "file"))
    var key: String

    @Option(name: .long, help: "The witness's name, which its cosignatures carry.")
    var name: String

    @Option(
        name: .long,
        help: ArgumentHelp("The file that holds what was cosigned.", valueName: "file"))
    var state: String

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A ledger whose checkpoints are cosigned, with its origin where that is not the key's name; repeatable.",
            valueName: "verifierkey[=origin]"))
    var log: [String] = []

    /// So many verifier keys may be given.
    private static let maxLogs = 1_024

    func validate() throws {
        guard !log.isEmpty, log.count <= Self.maxLogs else {
            throw ValidationError("Give --log once at least, and \(Self.maxLogs) times at most.")
        }
        guard Self.address(listen) != nil else {
            throw ValidationError("--listen is an address and a port, such as 127.0.0.1:8087.")
        }
    }

    func run() async throws {
        let witness: Witness
        do {
            witness = try makeWitness()
        } catch {
            Console.note("ledgerctl: \(error)")
            throw ExitCode(ExitCodes.failure)
        }
        guard let (host, port) = Self.address(listen) else { throw ExitCode.validationFailure }
        try Console.write(witness.verifier.verifierKey)
        var logger = Logger(label: "witness") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        let server = WitnessServer(witness: witness, host: host, port: port, logger: logger) {
            Console.note("ledgerctl: the witness listens on \(host), port \($0)")
        }
        do {
            try await server.runUntilStopped()
        } catch {
            Console.note("ledgerctl: the witness stops: \(error)")
            throw ExitCode(ExitCodes.failure)
        }
    }

    private func makeWitness() throws -> Witness {
        guard let handle = FileHandle(forReadingAtPath: key),
            let pem = try handle.read(upToCount: 65_536)
        else { throw ValidationError("\(key) cannot be read") }
        let signer: CosignatureSigner
        do throws(FormatError) {
            signer = try CosignatureSigner(name: name, pem: Array(pem))
        } catch {
            throw ValidationError("\(key): \(error.message)")
        }
        let logs: [WitnessedLog]
        do throws(FormatError) {
            logs = try WitnessedLog.parse(log)
        } catch {
            throw ValidationError("--log: \(error.message)")
        }
        return try Witness(signer: signer, logs: logs, stateFile: state)
    }

    /// The parts of `host:port`; an IPv6 address stands in brackets.
    static func address(_ text: String) -> (host: String, port: Int)? {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return host.isEmpty ? nil : (String(host), Int(port))
    }
}
