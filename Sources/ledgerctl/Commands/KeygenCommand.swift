internal import ArgumentParser
internal import LedgerCore
internal import LedgerVerify

struct KeygenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen",
        abstract: "Make the key with which a ledger signs its checkpoints.",
        discussion: """
            ledgerctl keygen --name ledger.example.com/payments --out signing-key.pem
                makes an Ed25519 private key (PEM, PKCS #8; only its owner can read the file) and prints the verifier \
            key. A file that exists is never written over.

            ledgerctl keygen --name ledger.example.com/payments --public signing-key.pem
                prints the verifier key of a private key that is there, for example one of openssl's.

            The name is the service's LEDGER_ORIGIN, the file its LEDGER_SIGNING_KEY. Hand the verifier key to everybody \
            who is to check checkpoints and receipts. The private key never leaves the file.
            """)

    @OptionGroup var options: OfflineOptions

    @Option(name: .long, help: ArgumentHelp("The ledger's origin.", valueName: "origin"))
    var name: String

    @Option(name: .long, help: ArgumentHelp("Where the new private key goes.", valueName: "file"))
    var out: String?

    @Option(
        name: .customLong("public"),
        help: ArgumentHelp("A file with a private key that is there.", valueName: "file"))
    var existing: String?

    mutating func validate() throws {
        guard (out == nil) != (existing == nil) else {
            throw ValidationError("Give either --out or --public.")
        }
        guard NoteKeyName.isValid(name) else {
            throw ValidationError(
                "--name must have no white space, no control characters and no +.")
        }
    }

    func run() async throws {
        let key = try await Failures.reported(options.output) { try verifierKey() }
        switch options.output {
        case .text: try Console.write(key)
        case .json: try Console.write(JSONLine.encode(KeyJSON(verifierKey: key, file: out)))
        }
    }

    private func verifierKey() throws -> String {
        if let existing {
            let pem = try InputFile.read(existing, limit: InputFile.pemLimit)
            do throws(FormatError) {
                return try NoteSigner(name: name, pem: pem).verifier.verifierKey
            } catch {
                throw FileError("\(existing): \(error.message)")
            }
        }
        // The system's generator, which is the kernel's.
        var random = SystemRandomNumberGenerator()
        let seed = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let key = try NoteSigner(name: name, privateKey: seed).verifier.verifierKey
        guard let out else { return key }
        try OutputFile.create(out, PEMDocument.ed25519PrivateKey(seed), mode: 0o600)
        return key
    }
}

private struct KeyJSON: Encodable {
    let verifierKey: String
    let file: String?
}
