import Crypto
import TextFormats

/// A digest over the ids segments 0..<count, as the key `archived_ids` holds it (formats.md, "Archive").
///
/// Entries and tiles of an archive are checked against the tree; an ids segment is no part of the tree, and a wrong one
/// would let a duplicate in. So the transaction that allows a segment to leave etcd records what it was:
/// D(0) is 32 zero bytes, D(n+1) = SHA-256(D(n) || SHA-256(segment n)).
package struct SegmentsDigest: Hashable, Sendable {
    /// The version of the stored form.
    package static let version: UInt64 = 1

    /// How many segments are covered.
    package private(set) var count: UInt64
    package private(set) var digest: Digest

    /// Of no segments.
    package init() {
        count = 0
        digest = .zero
    }

    package init(count: UInt64, digest: Digest) {
        self.count = count
        self.digest = digest
    }

    /// The digest of one segment's stored bytes.
    package static func ofSegment(_ bytes: [UInt8]) -> Digest {
        Digest(SHA256.hash(data: bytes))
    }

    /// Takes the next segment in.
    package mutating func append(_ segment: Digest) {
        var hash = SHA256()
        hash.update(data: digest.bytes)
        hash.update(data: segment.bytes)
        digest = Digest(hash.finalize())
        count += 1
    }

    /// The key's value, without white space.
    package func encodedJSON() -> [UInt8] {
        Array(
            #"{"version":\#(Self.version),"segments":\#(count),"digest":"\#(digest.hex)"}"#.utf8)
    }

    /// Reads the key's value.
    package init(decodingJSON bytes: [UInt8]) throws(FormatError) {
        var version: UInt64?
        var count: UInt64?
        var digest: Digest?
        try JSONReader.members(of: bytes, "the digest of ids segments") {
            key, reader throws(JSONFailure) in
            switch key {
            case "version": version = try reader.integer()
            case "segments": count = try reader.integer()
            case "digest":
                digest = try reader.digest()
            default: throw reader.unknown
            }
        }
        guard version == Self.version, let count, let digest else {
            throw FormatError(
                .wrongFormat, "the digest of ids segments lacks a member of version 1")
        }
        self.init(count: count, digest: digest)
    }
}
