/// A checkpoint or a receipt that does not prove what it should.
package struct ProofError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which step of the proof failed.
    package enum Code: String, Hashable, Sendable {
        /// The text does not have its form.
        case malformed
        /// No signature of the key.
        case notSigned
        /// A signature in the key's name that the key did not make.
        case badSignature
        /// A checkpoint of another ledger.
        case wrongOrigin
        /// The path does not lead from the entry to the checkpoint's root.
        case notIncluded
    }

    package let code: Code
    package let message: String
    package let cause: FormatError?

    package init(_ code: Code, _ message: String, cause: FormatError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    init(_ cause: FormatError) {
        self.init(.malformed, cause.message, cause: cause)
    }

    package var description: String { "\(code.rawValue): \(message)" }
}
