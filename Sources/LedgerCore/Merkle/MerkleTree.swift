import Crypto

/// The hashes of an RFC 6962 Merkle tree over the ledger's entries (formats.md, "Merkle tree").
package enum MerkleTree {
    /// The root of the tree without leaves: H("").
    package static let emptyRoot = Digest.sha256([UInt8]())

    /// H(0x00 || entry).
    package static func leafHash(of entry: [UInt8]) -> Digest {
        entry.withUnsafeBytes { leafHash(of: $0) }
    }

    /// H(0x00 || entry).
    package static func leafHash(of entry: ArraySlice<UInt8>) -> Digest {
        entry.withUnsafeBytes { leafHash(of: $0) }
    }

    static func leafHash(of entry: UnsafeRawBufferPointer) -> Digest {
        var function = SHA256()
        withUnsafeBytes(of: UInt8(0)) { function.update(bufferPointer: $0) }
        function.update(bufferPointer: entry)
        return Digest(function.finalize())
    }

    /// H(0x01 || left || right).
    package static func nodeHash(_ left: Digest, _ right: Digest) -> Digest {
        withUnsafeTemporaryAllocation(byteCount: 65, alignment: 1) { input in
            input[0] = 1
            left.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: input[1..<33]).copyMemory(from: $0)
            }
            right.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: input[33..<65]).copyMemory(from: $0)
            }
            return Digest.sha256(UnsafeRawBufferPointer(input))
        }
    }

    /// The root of the tree over these leaf hashes.
    package static func root(of leaves: [Digest]) -> Digest {
        var frontier = MerkleFrontier()
        for leaf in leaves { frontier.append(leaf) }
        return frontier.root
    }

    /// The size of the left part of a tree of `size` leaves, at least 2: the largest power of two
    /// below it.
    static func split(_ size: UInt64) -> UInt64 {
        1 << UInt64(63 - (size - 1).leadingZeroBitCount)
    }
}
