import LedgerCore

/// Why something is not proved.
public struct VerificationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which step failed.
    public enum Code: String, Hashable, Sendable {
        /// The bytes do not have their form.
        case malformed
        /// No signature of the key.
        case notSigned
        /// A signature in the key's name that the key did not make.
        case badSignature
        /// A checkpoint of another ledger.
        case wrongOrigin
        /// The path does not lead to the checkpoint's root.
        case notIncluded
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: FormatError) {
        self.init(.malformed, error.message)
    }

    public var description: String { "\(code.rawValue): \(message)" }
}
