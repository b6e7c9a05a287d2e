import GRPCCore

/// Who may call the internal port: replicas alone.
struct InternalAccess: Sendable {
    /// The header that carries `LEDGER_INTERNAL_TOKEN`.
    static let tokenKey = "ledger-internal-token"

    /// `LEDGER_INTERNAL_TOKEN`; nil where none is set.
    var token: String?
    /// Names of which the peer's certificate must carry one; nil without TLS.
    var peerNames: Set<String>?

    func check(_ metadata: Metadata, _ context: ServerContext) throws(RPCError) {
        if let token {
            let shown = metadata[stringValues: Self.tokenKey].first { _ in true } ?? ""
            guard Self.areEqual(Array(shown.utf8), Array(token.utf8)) else {
                throw RPCError(
                    code: .unauthenticated, message: "LEDGER_INTERNAL_TOKEN is not the receiver's")
            }
        }
        if let peerNames {
            guard CallerIdentity(context).names.contains(where: peerNames.contains) else {
                throw RPCError(
                    code: .permissionDenied, message: "the certificate is not a replica's")
            }
        }
    }

    /// Takes the same time wherever two secrets of one length differ.
    private static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
