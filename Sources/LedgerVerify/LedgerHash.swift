package import LedgerCore

/// A SHA-256 value: 32 bytes.
public struct LedgerHash: Hashable, Sendable, CustomStringConvertible {
    /// The length in bytes.
    public static let byteCount = Digest.byteCount

    package let digest: Digest

    package init(_ digest: Digest) {
        self.digest = digest
    }

    /// A hash from its bytes; nil unless there are exactly 32.
    public init?(bytes: [UInt8]) {
        guard let digest = Digest(bytes: bytes) else { return nil }
        self.init(digest)
    }

    /// A hash from 64 lower-case hexadecimal digits; nil for anything else.
    public init?(hex: String) {
        guard let digest = Digest(hex: hex) else { return nil }
        self.init(digest)
    }

    /// The 32 bytes.
    public var bytes: [UInt8] { digest.bytes }

    /// 64 lower-case hexadecimal digits.
    public var hex: String { digest.hex }

    public var description: String { hex }

    /// 32 zero bytes: what the first entry of a ledger has as its previous hash.
    public static let zero = LedgerHash(Digest.zero)

    /// The root of the tree of an empty ledger.
    public static let emptyRoot = LedgerHash(MerkleTree.emptyRoot)
}
