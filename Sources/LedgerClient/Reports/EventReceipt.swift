/// With the service's verifier key, anybody can check offline that an event has its number.
public struct EventReceipt: Sendable, Hashable {
    /// The proof and the signed checkpoint that it leads to: a C2SP tlog-proof.
    public var proof: String

    /// The event's canonical bytes, which ``SealedEvent/eventHash`` is the SHA-256 of.
    public var entry: [UInt8]

    /// Creates a receipt.
    public init(proof: String, entry: [UInt8]) {
        self.proof = proof
        self.entry = entry
    }
}
