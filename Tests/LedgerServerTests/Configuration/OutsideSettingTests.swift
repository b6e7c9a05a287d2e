import Foundation
import LedgerCore
import LedgerTransparency
import Testing

@testable import LedgerServer

@Suite("Settings of witnesses and of the external checkpoint")
struct OutsideSettingTests {
    /// A witness's verifier key.
    static let witness = verifierKey("witness.example/w1", 1)

    private static func verifierKey(_ name: String, _ seed: UInt8) -> String {
        let signer = try? CosignatureSigner(
            name: name, privateKey: [UInt8](repeating: seed, count: 32))
        return signer?.verifier.verifierKey ?? ""
    }

    private func load(_ environment: [String: String]) throws -> ServiceConfiguration {
        try ServiceConfiguration.load(
            environment: environment, workingDirectory: "/nonexistent")
    }

    private func refused(_ environment: [String: String]) throws -> String? {
        let errors = #expect(throws: ConfigurationErrors.self) { try load(environment) }
        return errors?.errors.first?.message
    }

    /// A signing key, without which neither is of use.
    private func signing() throws -> [String: String] {
        ["LEDGER_SIGNING_KEY": try KeyFiles.shared.get().key(.ed25519)]
    }

    @Test("what is set is in force, and printed as it would be set")
    func accepted() throws {
        let keys = try KeyFiles.shared.get()
        let other = Self.verifierKey("other", 2)
        let witnesses =
            "\(Self.witness)=https://witness.example:443/w, \(other)=http://127.0.0.1:8087"
        let settings = try load(
            signing().merging([
                "LEDGER_WITNESSES": witnesses,
                "LEDGER_WITNESS_CA_CERT": keys.certificate(.p256),
                "LEDGER_EXTERNAL_CHECKPOINT": "https://kept.example:443/checkpoint",
            ]) { $1 })
        #expect(settings.witnesses.map(\.name) == ["witness.example/w1", "other"])
        #expect(settings.witnessCAPath == keys.certificate(.p256))
        let printed = Dictionary(
            uniqueKeysWithValues: settings.values.map { ($0.name.rawValue, $0.value) })
        #expect(
            printed["LEDGER_WITNESSES"] == .text(witnesses.replacingOccurrences(of: " ", with: "")))
        #expect(
            printed["LEDGER_EXTERNAL_CHECKPOINT"] == .text("https://kept.example:443/checkpoint"))
        let file = try load(
            signing().merging(["LEDGER_EXTERNAL_CHECKPOINT": "/kept/checkpoint"]) { $1 })
        #expect(file.externalCheckpoint == .file("/kept/checkpoint"))
    }

    @Test("neither does without a key of the ledger's")
    func needsKey() throws {
        #expect(
            try refused(["LEDGER_WITNESSES": "\(Self.witness)=https://w"])?
                .contains("LEDGER_SIGNING_KEY") == true)
        #expect(
            try refused(["LEDGER_EXTERNAL_CHECKPOINT": "/kept/checkpoint"])?
                .contains("LEDGER_FORMER_KEYS") == true)
    }

    @Test("sixteen witnesses at most, each with a name of its own")
    func bounds() throws {
        let seventeen = (1...17).map { "\(Self.verifierKey("w\($0)", 1))=https://w" }
        let enough = try load(
            signing().merging(
                ["LEDGER_WITNESSES": seventeen.dropLast().joined(separator: ",")]) { $1 })
        #expect(enough.witnesses.count == 16)
        for tooMany in [
            seventeen.joined(separator: ","),
            "\(Self.verifierKey("w", 1))=https://a,\(Self.verifierKey("w", 2))=https://b",
        ] {
            #expect(
                try refused(signing().merging(["LEDGER_WITNESSES": tooMany]) { $1 })?
                    .contains("at most 16") == true)
        }
    }
}
