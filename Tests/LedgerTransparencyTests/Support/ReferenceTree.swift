import LedgerCore

import struct Crypto.SHA256

/// RFC 6962, section 2.1, word for word and with hashes of its own: what proofs are compared with.
///
/// Leaves are given by their hashes, and what was computed once is remembered.
final class ReferenceTree {
    private let leaves: [Digest]
    private var known: [Range<Int>: Digest] = [:]

    init(_ leaves: [Digest]) {
        self.leaves = leaves
    }

    /// MTH(D[range]).
    func hash(_ range: Range<Int>) -> Digest {
        if range.isEmpty { return digest([]) }
        if range.count == 1 { return leaves[range.lowerBound] }
        if let hash = known[range] { return hash }
        let middle = range.lowerBound + split(range.count)
        let hash = digest(
            [1] + hash(range.lowerBound..<middle).bytes
                + hash(middle..<range.upperBound).bytes)
        known[range] = hash
        return hash
    }

    /// PATH(m, D[range]), with m counted from the beginning of the range.
    func path(_ index: Int, _ range: Range<Int>) -> [Digest] {
        if range.count == 1 { return [] }
        let half = split(range.count)
        let middle = range.lowerBound + half
        return index < half
            ? path(index, range.lowerBound..<middle) + [hash(middle..<range.upperBound)]
            : path(index - half, middle..<range.upperBound) + [hash(range.lowerBound..<middle)]
    }

    /// PROOF(m, D[n]) for 0 < m <= n.
    func proof(_ first: Int, _ second: Int) -> [Digest] {
        subproof(first, 0..<second, isWhole: true)
    }

    /// SUBPROOF(m, D[range], b).
    private func subproof(_ count: Int, _ range: Range<Int>, isWhole: Bool) -> [Digest] {
        if count == range.count { return isWhole ? [] : [hash(range)] }
        let half = split(range.count)
        let middle = range.lowerBound + half
        if count <= half {
            return subproof(count, range.lowerBound..<middle, isWhole: isWhole)
                + [hash(middle..<range.upperBound)]
        }
        return subproof(count - half, middle..<range.upperBound, isWhole: false)
            + [hash(range.lowerBound..<middle)]
    }

    /// The largest power of two that is smaller than n.
    private func split(_ count: Int) -> Int {
        var half = 1
        while half * 2 < count { half *= 2 }
        return half
    }

    private func digest(_ bytes: [UInt8]) -> Digest {
        // SHA-256 has 32 bytes, of which a digest can always be made.
        Digest(bytes: Array(SHA256.hash(data: bytes))) ?? .zero
    }
}
