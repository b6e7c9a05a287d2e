internal import ArgumentParser
internal import Foundation
internal import LedgerVerify

/// With which keys signatures are checked.
struct VerifierKeyOptions: ParsableArguments {
    /// The most keys that are taken.
    static let maximumCount = 100

    @Option(
        name: .customLong("verifier-key"), parsing: .singleValue,
        help: ArgumentHelp(
            """
            A verifier key of the ledger, name+ID+base64; one must have signed. May be repeated, for a key that was \
            changed. (default: $LEDGER_VERIFIER_KEYS)
            """, valueName: "key"))
    var texts: [String] = []

    @Option(
        name: .customLong("verifier-key-file"), parsing: .singleValue,
        help: ArgumentHelp(
            "A file with verifier keys, one a line; # begins a comment. May be repeated.",
            valueName: "file"))
    var files: [String] = []

    /// The keys of the options; where there are none, those of the environment, separated by commas or white space.
    func keys(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> [VerifierKey] {
        var keys = try texts.map { try Self.key($0, "--verifier-key") }
        for file in files {
            let bytes = try InputFile.read(file, limit: InputFile.keysLimit)
            let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            for line in lines {
                let text = line.trimmingCharacters(in: .whitespaces)
                if text.isEmpty || text.hasPrefix("#") { continue }
                keys.append(try Self.key(text, file))
            }
        }
        if texts.isEmpty, files.isEmpty {
            let name = "LEDGER_VERIFIER_KEYS"
            let parts = (environment[name] ?? "").split { $0 == "," || $0.isWhitespace }
            keys = try parts.map { try Self.key(String($0), name) }
        }
        guard keys.count <= Self.maximumCount else {
            throw ValidationError("At most \(Self.maximumCount) verifier keys are taken.")
        }
        return keys
    }

    private static func key(_ text: String, _ source: String) throws -> VerifierKey {
        do throws(VerificationError) {
            return try VerifierKey(text)
        } catch {
            throw ValidationError("\(source): \(Printable.escape(error.message)).")
        }
    }
}
