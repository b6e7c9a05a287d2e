import Crypto
import Foundation
import GRPCCore
import Logging

/// Who may call the internal port: replicas alone.
struct InternalAccess: Sendable {
    /// The header in which replicas up to 0.1.0 send `LEDGER_INTERNAL_TOKEN`. It is still believed, so that a rolling
    /// update does not part old and new replicas, and never sent any more.
    static let tokenKey = "ledger-internal-token"

    /// `LEDGER_INTERNAL_TOKEN`; nil where none is set.
    var token: String?
    /// Names of which the peer's certificate must carry one; nil without TLS.
    var peerNames: Set<String>?

    /// Checks what a call shows at once.
    ///
    /// - Parameter shown: the header `tokenKey`, where the call has it.
    /// - Returns: the secret that the caller has yet to prove it knows, nil where nothing is left to be shown.
    func check(
        _ shown: String?, from caller: CallerIdentity, _ logger: Logger
    ) throws(RPCError) -> SharedSecret? {
        if let peerNames {
            guard caller.names.contains(where: peerNames.contains) else {
                throw RPCError(
                    code: .permissionDenied, message: "the certificate is not a replica's")
            }
        }
        guard let token else { return nil }
        guard let shown else { return SharedSecret(token: token) }
        guard Self.areEqual(shown, token) else {
            throw RPCError(
                code: .unauthenticated, message: "LEDGER_INTERNAL_TOKEN is not the receiver's")
        }
        logger.warning(
            """
            a replica of an older version has sent LEDGER_INTERNAL_TOKEN in clear: change it when all replicas are \
            updated
            """)
        return nil
    }

    /// Takes the same time wherever two secrets differ, also in their lengths.
    private static func areEqual(_ one: String, _ other: String) -> Bool {
        let key = SymmetricKey(size: .bits256)
        let code = HMAC<SHA256>.authenticationCode(for: Data(one.utf8), using: key)
        return HMAC<SHA256>.isValidAuthenticationCode(
            code, authenticating: Data(other.utf8), using: key)
    }
}
