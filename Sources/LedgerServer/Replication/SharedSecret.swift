import Crypto
import Foundation
import LedgerCore

/// `LEDGER_INTERNAL_TOKEN`, in the form in which two replicas prove to each other that they know it.
///
/// The token itself is never sent. Both send a nonce; a proof is an HMAC-SHA256 under a key derived from the token, over
/// the side that proves, the hint (address and id) that led the caller here, and both nonces. So what one side has
/// proved cannot be sent back as the other's, kept for another time, or carried on to a replica at another address. (Who
/// sits on the way between two replicas can still change what they say to each other: against that there is TLS.)
struct SharedSecret: Sendable {
    /// Of the form of proofs; a caller that offers another one is refused and can offer this one.
    static let version: UInt32 = 1
    /// The length of a nonce.
    static let nonceBytes = 32

    /// Whose proof it is.
    enum Side: UInt8 {
        case sealer = 1
        case caller = 2
    }

    /// What both sides know of one call before anything is proved.
    struct Exchange: Sendable {
        /// The hint that led the caller here; for the sealer, its own.
        let hint: SealerHint
        let callerNonce: [UInt8]
        let sealerNonce: [UInt8]
    }

    private let key: SymmetricKey

    init(token: String) {
        key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: Data(token.utf8)),
            info: Data("immutable-ledger internal port".utf8), outputByteCount: 32)
    }

    /// Random bytes, to be used once.
    static func makeNonce() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<nonceBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// The proof of one side that it knows the secret.
    func proof(of side: Side, in exchange: Exchange) -> [UInt8] {
        Array(
            HMAC<SHA256>.authenticationCode(
                for: Self.transcript(of: side, exchange), using: key))
    }

    /// Whether the bytes are that side's proof; takes the same time wherever they differ.
    func isProof(_ bytes: [UInt8], of side: Side, in exchange: Exchange) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(
            bytes, authenticating: Self.transcript(of: side, exchange), using: key)
    }

    private static func transcript(of side: Side, _ exchange: Exchange) -> [UInt8] {
        var bytes: [UInt8] = Array("ILIP".utf8) + [UInt8(version), side.rawValue]
        for part in [
            Array(exchange.hint.address.utf8), Array(exchange.hint.id.utf8), exchange.callerNonce,
            exchange.sealerNonce,
        ] {
            withUnsafeBytes(of: UInt32(part.count).bigEndian) { bytes.append(contentsOf: $0) }
            bytes += part
        }
        return bytes
    }
}
