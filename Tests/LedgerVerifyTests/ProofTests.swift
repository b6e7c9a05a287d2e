import LedgerVerify
import Testing

@Suite("Proofs of the tree")
struct ProofTests {
    private let entries: [SealedEntry]
    private let trees: Vectors.Trees

    init() throws {
        entries = try Vectors.entries()
        trees = try Vectors.trees()
    }

    private func root(_ size: UInt64) throws -> LedgerHash {
        var chain = ChainVerifier()
        for entry in entries.prefix(Int(size)) { try chain.append(entry) }
        return try #require(chain.rootHash)
    }

    @Test("every inclusion vector verifies, and with any change it does not")
    func inclusion() throws {
        for vector in trees.inclusion {
            let path = vector.path.map(hash)
            let proof = InclusionProof(
                sequenceNumber: vector.index + 1, treeSize: vector.size, path: path)
            let root = try root(vector.size)
            let leaf = entries[Int(vector.index)].leafHash
            try proof.verify(leafHash: leaf, rootHash: root)
            var wrong = [
                InclusionProof(
                    sequenceNumber: vector.index + 2, treeSize: vector.size, path: path),
                InclusionProof(
                    sequenceNumber: vector.index + 1, treeSize: vector.size, path: path + [leaf]),
            ]
            if !path.isEmpty {
                wrong.append(
                    InclusionProof(
                        sequenceNumber: vector.index + 1, treeSize: vector.size,
                        path: Array(path.dropLast())))
            }
            for proof in wrong {
                #expect(
                    code { () throws(VerificationError) in
                        try proof.verify(leafHash: leaf, rootHash: root)
                    } == .notIncluded)
            }
            #expect(
                code { () throws(VerificationError) in
                    try proof.verify(leafHash: leaf, rootHash: .zero)
                } == .notIncluded)
            #expect(
                code { () throws(VerificationError) in
                    try proof.verify(leafHash: .zero, rootHash: root)
                } == .notIncluded)
        }
    }

    @Test("every consistency vector verifies, and with any change it does not")
    func consistency() throws {
        for vector in trees.consistency {
            let path = vector.path.map(hash)
            let proof = ConsistencyProof(
                firstSize: vector.from, secondSize: vector.to, path: path)
            let (first, second) = (try root(vector.from), try root(vector.to))
            try proof.verify(firstRoot: first, secondRoot: second)
            let other = vector.from == vector.to ? LedgerHash.zero : first
            for (wrongFirst, wrongSecond) in [(LedgerHash.zero, second), (first, other)] {
                #expect(
                    code { () throws(VerificationError) in
                        try proof.verify(firstRoot: wrongFirst, secondRoot: wrongSecond)
                    } == .notConsistent)
            }
            let longer = ConsistencyProof(
                firstSize: vector.from, secondSize: vector.to, path: path + [.zero])
            #expect(
                code { () throws(VerificationError) in
                    try longer.verify(firstRoot: first, secondRoot: second)
                } == .notConsistent)
        }
    }

    @Test("huge paths and numbers at the edge of 64 bits are refused, not worked through")
    func hostile() {
        let huge = [LedgerHash](repeating: .zero, count: 1_000_000)
        let numbers: [UInt64] = [0, 1, 1 << 63, .max]
        for number in numbers {
            for size in numbers {
                for path in [huge, [], [LedgerHash](repeating: .zero, count: 64)] {
                    let inclusion = InclusionProof(
                        sequenceNumber: number, treeSize: size, path: path)
                    #expect(
                        code { () throws(VerificationError) in
                            try inclusion.verify(leafHash: .zero, rootHash: .emptyRoot)
                        } == .notIncluded)
                    let consistency = ConsistencyProof(
                        firstSize: number, secondSize: size, path: path)
                    #expect(
                        code { () throws(VerificationError) in
                            try consistency.verify(firstRoot: .zero, secondRoot: .emptyRoot)
                        } == .notConsistent)
                }
            }
        }
    }

    @Test("a proof for another event, size or ledger than the checkpoint's says so")
    func againstCheckpoints() throws {
        let vector = try #require(trees.inclusion.last { $0.size == 300 })
        let checkpoint = try SignedCheckpoint(parsing: Array(Vectors.checkpoint().note.utf8))
        let path = vector.path.map(hash)
        let number = vector.index + 1
        let entry = entries[Int(vector.index)]
        try InclusionProof(sequenceNumber: number, treeSize: 300, path: path)
            .verify(entry, in: checkpoint)
        #expect(
            code { () throws(VerificationError) in
                try InclusionProof(sequenceNumber: number, treeSize: 300, path: path)
                    .verify(entries[0], in: checkpoint)
            } == .wrongNumber)
        #expect(
            code { () throws(VerificationError) in
                try InclusionProof(sequenceNumber: number, treeSize: 301, path: path)
                    .verify(entry, in: checkpoint)
            } == .wrongRoot)
        let other = try SignedCheckpoint(
            parsing: Array(Vectors.checkpoint().note.utf8).map {
                $0 == UInt8(ascii: ".") ? 0x2D : $0
            })
        let same = ConsistencyProof(firstSize: 300, secondSize: 300, path: [])
        try same.verify(from: checkpoint, to: checkpoint)
        #expect(
            code { () throws(VerificationError) in
                try same.verify(from: checkpoint, to: other)
            } == .wrongOrigin)
        #expect(
            code { () throws(VerificationError) in
                try ConsistencyProof(firstSize: 299, secondSize: 300, path: [])
                    .verify(from: checkpoint, to: checkpoint)
            } == .notConsistent)
    }
}
