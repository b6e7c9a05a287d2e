import LedgerVerify
import Testing

@Suite("ChainVerifier")
struct ChainVerifierTests {
    @Test("the vectors are a chain, and give the root of every size")
    func vectors() throws {
        let entries = try Vectors.entries()
        let roots = try Vectors.trees().trees
        var chain = ChainVerifier()
        for size in 0...300 {
            if size > 0 { try chain.append(entries[size - 1]) }
            for tree in roots where tree.size == UInt64(size) {
                #expect(chain.rootHash?.hex == tree.root)
            }
        }
        #expect(chain.count == 300 && chain.nextNumber == 301)
        let note = try Vectors.checkpoint().note
        try chain.verify(SignedCheckpoint(parsing: Array(note.utf8)))
    }

    @Test("a gap, a repeated entry and one of another chain are told apart, and change nothing")
    func breaks() throws {
        let entries = try Vectors.entries()
        var chain = ChainVerifier()
        #expect(
            code { () throws(VerificationError) in try chain.append(entries[1]) } == .wrongNumber)
        try chain.append(entries[0])
        let root = chain.rootHash
        #expect(
            code { () throws(VerificationError) in try chain.append(entries[0]) } == .wrongNumber)
        #expect(
            code { () throws(VerificationError) in try chain.append(entries[2]) } == .wrongNumber)
        let unlinked = try second(previousHash: .zero, sealedTimestamp: .max)
        #expect(code { () throws(VerificationError) in try chain.append(unlinked) } == .linkBroken)
        let earlier = try second(
            previousHash: entries[0].hash, sealedTimestamp: entries[0].sealedTimestamp - 1)
        #expect(
            code { () throws(VerificationError) in try chain.append(earlier) }
                == .timestampBackwards)
        #expect(chain.rootHash == root && chain.count == 1 && chain.lastHash == entries[0].hash)
        try chain.append(entries[1])
    }

    @Test("the first entry of a ledger has nothing before it")
    func first() throws {
        let entry = try SealedEntry(
            sequenceNumber: 1, eventID: "e", payload: [], vepsSignature: "", vepsTimestamp: 0,
            metadata: [:], submitter: "", sealedTimestamp: 0,
            previousHash: hash(String(repeating: "1", count: 64)))
        var chain = ChainVerifier()
        #expect(code { () throws(VerificationError) in try chain.append(entry) } == .linkBroken)
    }

    @Test("a chain that begins in the middle is checked from there on, and gives no root")
    func middle() throws {
        let entries = try Vectors.entries()
        var chain = ChainVerifier(from: 200)
        for entry in entries[199...] { try chain.append(entry) }
        #expect(chain.rootHash == nil && chain.count == 101)
        let checkpoint = try SignedCheckpoint(parsing: Array(Vectors.checkpoint().note.utf8))
        #expect(
            code { () throws(VerificationError) in try chain.verify(checkpoint) } == .incomplete)
    }

    @Test("fewer entries than a checkpoint covers are incomplete, others give another root")
    func checkpoint() throws {
        let entries = try Vectors.entries()
        let checkpoint = try SignedCheckpoint(parsing: Array(Vectors.checkpoint().note.utf8))
        var chain = ChainVerifier()
        for entry in entries.dropLast() { try chain.append(entry) }
        #expect(
            code { () throws(VerificationError) in try chain.verify(checkpoint) } == .incomplete)
        let last = entries[299]
        try chain.append(
            SealedEntry(
                sequenceNumber: 300, eventID: "another", payload: last.payload,
                vepsSignature: last.vepsSignature, vepsTimestamp: last.vepsTimestamp,
                metadata: last.metadata, submitter: last.submitter,
                sealedTimestamp: last.sealedTimestamp, previousHash: last.previousHash))
        #expect(
            code { () throws(VerificationError) in try chain.verify(checkpoint) } == .wrongRoot)
    }

    private func second(previousHash: LedgerHash, sealedTimestamp: Int64) throws -> SealedEntry {
        try SealedEntry(
            sequenceNumber: 2, eventID: "e", payload: [], vepsSignature: "", vepsTimestamp: 0,
            metadata: [:], submitter: "", sealedTimestamp: sealedTimestamp,
            previousHash: previousHash)
    }
}
