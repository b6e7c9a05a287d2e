internal import ArgumentParser
internal import LedgerVerify

/// Which witnesses must have cosigned.
struct WitnessKeyOptions: ParsableArguments {
    @Option(
        name: .customLong("witness-key"), parsing: .singleValue,
        help: ArgumentHelp(
            "The key of a witness that must have cosigned, name+ID+base64. May be repeated.",
            valueName: "key"))
    var texts: [String] = []

    @Option(
        name: .long, help: "How many of these witnesses must have cosigned. (default: all)")
    var quorum: Int?

    func validate() throws {
        guard texts.count <= VerifierKeyOptions.maximumCount else {
            throw ValidationError(
                "At most \(VerifierKeyOptions.maximumCount) keys of witnesses are taken.")
        }
        guard let quorum else { return }
        guard (1...max(1, texts.count)).contains(quorum), !texts.isEmpty else {
            throw ValidationError(
                "--quorum must be 1 to the number of witnesses that --witness-key names.")
        }
    }

    func keys() throws -> [WitnessKey] {
        try texts.map { text in
            do throws(VerificationError) {
                return try WitnessKey(text)
            } catch {
                throw ValidationError("--witness-key: \(Printable.escape(error.message)).")
            }
        }
    }

    /// Checks a checkpoint's cosignatures.
    ///
    /// - Throws: `VerificationError` where too few witnesses have cosigned.
    func cosignatures(of checkpoint: SignedCheckpoint) throws -> [VerifiedCosignature] {
        let keys = try keys()
        return try checkpoint.cosignatures(by: keys, quorum: quorum ?? keys.count)
    }
}

extension VerifiedCosignature {
    /// For people.
    var text: String {
        let milliseconds = Int64(clamping: timestamp).multipliedReportingOverflow(by: 1000)
        let time =
            milliseconds.overflow
            ? "\(timestamp) s" : Printable.timestamp(milliseconds.partialValue)
        return "\(Printable.escape(witness.name)) at \(time)"
    }
}
