import LedgerCore
import LedgerStore
import LedgerTransparency
import Testing

@Suite("PublishedCheckpoint")
struct PublishedCheckpointTests {
    @Test("what is stored is kept byte for byte, with unknown signatures")
    func kept() throws {
        let signer = try NoteSigner(
            name: "ledger.example.com/a", privateKey: Array(repeating: 7, count: 32))
        let root = Digest.sha256([1])
        let note = try signer.note(size: 9, root: root)
        let other = SignedNote.Signature(name: "w", keyID: 5, signature: [1, 2, 3])
        let bytes = SignedNote(text: note.text, signatures: note.signatures + [other]).encoded()
        let published = try PublishedCheckpoint(
            .init(bytes: bytes, revision: Revision(rawValue: 4)))
        #expect(published.checkpoint.size == 9)
        #expect(published.checkpoint.root == root)
        #expect(published.note.signatures.last == other)
        #expect(published.bytes == bytes)
    }

    @Test("bytes that are no note are refused")
    func malformed() {
        #expect(throws: FormatError.self) {
            try PublishedCheckpoint(.init(bytes: [1, 2], revision: .absent))
        }
    }
}
