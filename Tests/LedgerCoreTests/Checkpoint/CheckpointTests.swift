import LedgerCore
import Testing
import TextFormats

@Suite("Checkpoint")
struct CheckpointTests {
    private func vector() throws -> Vectors.Checkpoint {
        try Vectors.decode(Vectors.Checkpoint.self, "checkpoint.json")
    }

    private func root() throws -> Digest { MerkleTree.root(of: try Vectors.leaves()) }

    private func refusal(
        _ verifier: NoteVerifier, _ note: SignedNote
    ) -> ProofError.Code? {
        do throws(ProofError) {
            _ = try verifier.checkpoint(of: note)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("signing gives the note of the vectors, byte for byte")
    func signs() throws {
        let vector = try vector()
        let signer = try NoteSigner(name: vector.origin, privateKey: unhex(vector.seedHex))
        #expect(Hex.encode(signer.verifier.publicKey) == vector.publicKeyHex)
        #expect(signer.verifier.verifierKey == vector.verifierKey)
        let note = try signer.note(size: vector.size, root: root())
        // Ed25519 is deterministic, but libraries may randomise it: what must agree is that it
        // verifies.
        #expect(note.text == (try SignedNote(parsing: Array(vector.note.utf8)).text))
        let checkpoint = try signer.verifier.checkpoint(of: note)
        #expect(checkpoint.size == 300)
        #expect(try SignedNote(parsing: note.encoded()) == note)
    }

    @Test("the note of the vectors verifies with its verifier key")
    func verifies() throws {
        let vector = try vector()
        let verifier = try NoteVerifier(parsing: vector.verifierKey)
        let note = try SignedNote(parsing: Array(vector.note.utf8))
        #expect(note.encoded() == Array(vector.note.utf8))
        let checkpoint = try verifier.checkpoint(of: note)
        #expect(
            checkpoint == Checkpoint(origin: vector.origin, size: vector.size, root: try root()))
        #expect(checkpoint.text == note.text)
    }

    @Test("unknown signatures are kept and ignored")
    func unknownSignatures() throws {
        let vector = try vector()
        let verifier = try NoteVerifier(parsing: vector.verifierKey)
        let line = "\u{2014} witness.example/w1 AAAAAQID\n"
        let text = vector.note + line
        let note = try SignedNote(parsing: Array(text.utf8))
        #expect(note.signatures.count == 2)
        #expect(note.signatures[1].keyID == 1)
        #expect(note.signatures[1].signature == [2, 3])
        #expect(note.encoded() == Array(text.utf8))
        #expect(throws: Never.self) { try verifier.checkpoint(of: note) }
        let only = SignedNote(text: note.text, signatures: [note.signatures[1]])
        #expect(refusal(verifier, only) == .notSigned)
    }

    @Test("a changed text, a changed signature and another ledger's key are refused")
    func refused() throws {
        let vector = try vector()
        let verifier = try NoteVerifier(parsing: vector.verifierKey)
        let note = try SignedNote(parsing: Array(vector.note.utf8))
        let larger = Array(
            String(decoding: note.text, as: UTF8.self).replacing("300", with: "301").utf8)
        #expect(
            refusal(verifier, SignedNote(text: larger, signatures: note.signatures))
                == .badSignature)
        let own = note.signatures[0]
        var bytes = own.signature
        bytes[10] ^= 1
        let changed = SignedNote.Signature(name: own.name, keyID: own.keyID, signature: bytes)
        #expect(
            refusal(verifier, SignedNote(text: note.text, signatures: [changed])) == .badSignature)
        // A second signature in the key's name that is not the key's own spoils the first.
        #expect(
            refusal(verifier, SignedNote(text: note.text, signatures: [own, changed]))
                == .badSignature)
        let other = try NoteSigner(name: "other", privateKey: unhex(vector.seedHex))
        #expect(refusal(other.verifier, note) == .notSigned)
        let foreign = try other.note(size: 1, root: .zero)
        #expect(refusal(verifier, foreign) == .notSigned)
    }

    @Test("a signed text that is not a checkpoint of the key's ledger is refused")
    func otherTexts() throws {
        let vector = try vector()
        #expect(throws: FormatError.self) {
            try NoteSigner(name: "na me", privateKey: unhex(vector.seedHex))
        }
        #expect(throws: FormatError.self) { try NoteSigner(name: "name", privateKey: [1]) }
        let hash = Base64.encode(Digest.zero.bytes)
        for text in [
            "", "a\n1\n", "a\n1\n\(hash)", "\n1\n\(hash)\n", "a\n01\n\(hash)\n", "a\n-1\n\(hash)\n",
            "a\n1\nAAAA\n", "a\n1\n\(hash)\n\n", "a\n18446744073709551616\n\(hash)\n",
        ] {
            #expect(throws: FormatError.self) { try Checkpoint(parsing: Array(text.utf8)) }
        }
        let extended = Array("a\n18446744073709551615\n\(hash)\nextension\n".utf8)
        #expect(try Checkpoint(parsing: extended).size == .max)
    }

    @Test(
        "malformed notes are refused",
        arguments: [
            "", "\n", "\n\n", "text\n", "text\n\n", "text\n\nno dash\n",
            "text\n\n\u{2014} n AAAAAAA=",
            "text\n\n\u{2014} n AAAA\n", "text\n\n\u{2014} AAAAAAA=\n",
            "text\n\n\u{2014}  AAAAAAA=\n",
            "text\n\n\u{2014} n+m AAAAAAA=\n", "text\n\n\u{2014} n m AAAAAAA=\n",
            "text\n\n\u{2014} n A!AAAAA=\n", "te\rxt\n\n\u{2014} n AAAAAAA=\n",
            "text\n\n\u{2014} n AAAAAAA=\n\n",
        ])
    func malformedNotes(_ text: String) {
        #expect(throws: FormatError.self) { try SignedNote(parsing: Array(text.utf8)) }
    }

    @Test("malformed verifier keys are refused")
    func malformedKeys() throws {
        let key = try vector().verifierKey
        for text in [
            "", "name", key + "A", String(key.dropFirst()), key.replacing("+b89", with: "+c89"),
            key.replacing("AQOh", with: "AgOh"), key.replacing("+b8", with: "+B8"),
        ] {
            #expect(throws: FormatError.self) { try NoteVerifier(parsing: text) }
        }
    }

    @Test("the signing key is read from the PEM that openssl writes")
    func pem() throws {
        let text = """
            -----BEGIN PRIVATE KEY-----
            MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
            -----END PRIVATE KEY-----

            """
        let vector = try vector()
        let signer = try NoteSigner(name: vector.origin, pem: Array(text.utf8))
        #expect(signer.verifier.verifierKey == vector.verifierKey)
        for changed in [
            text.replacing("PRIVATE", with: "PUBLIC"), text.replacing("MC4C", with: "MC8C"),
            text.replacing("K2Vw", with: "K2Vv"), text.replacing("-----END", with: "-----ENDE"), "",
        ] {
            #expect(throws: FormatError.self) {
                try NoteSigner(name: "name", pem: Array(changed.utf8))
            }
        }
    }

    @Test("changed notes and receipts never trap, and no changed checkpoint verifies")
    func mutations() throws {
        let vector = try vector()
        let verifier = try NoteVerifier(parsing: vector.verifierKey)
        let bytes = Array(vector.note.utf8)
        let original = try SignedNote(parsing: bytes).text
        let receipt = Array(vector.receiptForSequence257.utf8)
        let entry = unhex(try Vectors.events()[256].entryHex)
        withSeed { generator in
            for _ in 0..<3000 {
                let changed = generator.mutated(bytes)
                if let note = try? SignedNote(parsing: changed),
                    (try? verifier.checkpoint(of: note)) != nil
                {
                    #expect(note.text == original)
                }
                let changedReceipt = generator.mutated(receipt)
                if let parsed = try? Receipt(parsing: changedReceipt) {
                    #expect(parsed.encoded() == changedReceipt)
                    _ = try? parsed.verify(entry: entry, with: verifier)
                }
            }
        }
    }
}
