internal import ArgumentParser
internal import LedgerClient
internal import LedgerVerify

struct CheckpointCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Read the newest signed checkpoint, and check who signed it.",
        discussion: """
            Without --verifier-key nothing is checked but the form. --out keeps the note, for "proof" and "verify" to \
            compare with later.
            """)

    @OptionGroup var options: GlobalOptions
    @OptionGroup var keyOptions: VerifierKeyOptions
    @OptionGroup var witnessOptions: WitnessKeyOptions

    @Option(
        name: .long,
        help: ArgumentHelp("Write the note to a file that is not there yet.", valueName: "file"))
    var out: String?

    func run() async throws {
        let keys = try await Failures.reported(options.output) {
            _ = try witnessOptions.keys()
            return try keyOptions.keys()
        }
        try await withClient {
            $0.verifierKeys = keys
        } _: { client in
            let checkpoint = try await client.checkpoint()
            let report = try await Failures.reported(options.output) {
                try CheckpointReport(
                    checkpoint, keys: keys,
                    cosignatures: witnessOptions.cosignatures(of: checkpoint))
            }
            if let out { try OutputFile.create(out, checkpoint.note) }
            switch options.output {
            case .text: try Console.write(report.text)
            case .json: try Console.write(JSONLine.encode(report))
            }
        }
    }
}

/// A checkpoint, and what was checked of it.
struct CheckpointReport: Encodable {
    private struct Signature: Encodable {
        let name: String
        let keyId: String
        let verified: Bool
    }

    private let origin: String
    private let size: UInt64
    private let rootHash: String
    private let verified: Bool
    private let signatures: [Signature]
    private let cosignatures: [Cosignature]
    private let note: String

    private struct Cosignature: Encodable {
        let name: String
        let timestamp: UInt64
        let text: String

        private enum CodingKeys: String, CodingKey {
            case name, timestamp
        }
    }

    /// - Throws: `VerificationError` where there are keys and none of them signed.
    init(
        _ checkpoint: SignedCheckpoint, keys: [VerifierKey],
        cosignatures: [VerifiedCosignature] = []
    ) throws {
        self.cosignatures = cosignatures.map {
            Cosignature(name: $0.witness.name, timestamp: $0.timestamp, text: $0.text)
        }
        let witnesses = cosignatures.map(\.witness.description)
        let signers =
            keys.isEmpty ? [] : try checkpoint.verified(by: keys).signers.map(\.description)
        origin = checkpoint.origin
        size = checkpoint.size
        rootHash = checkpoint.rootHash.hex
        verified = !signers.isEmpty
        signatures = checkpoint.signatures.map { signature in
            let id = String(UInt64(1) << 32 | UInt64(signature.keyID), radix: 16).dropFirst()
            let beginning = "\(signature.name)+\(id)+"
            return Signature(
                name: signature.name, keyId: String(id),
                verified: (signers + witnesses).contains { $0.hasPrefix(beginning) })
        }
        note = String(decoding: checkpoint.note, as: UTF8.self)
    }

    /// The report for people.
    var text: String { EventText.table(fields) }

    /// Names and values.
    var fields: [(String, String)] {
        var fields = [
            ("origin", Printable.escape(origin)), ("size", "\(size)"), ("root hash", rootHash),
        ]
        for signature in signatures {
            let name = "\(Printable.escape(signature.name))+\(signature.keyId)"
            let state = signature.verified ? "verified" : "not checked"
            fields.append(("signed by", "\(name) (\(state))"))
        }
        for cosignature in cosignatures { fields.append(("cosigned by", cosignature.text)) }
        if !verified {
            fields.append(("verified", "no: --verifier-key names the key that must have signed"))
        }
        return fields
    }
}
