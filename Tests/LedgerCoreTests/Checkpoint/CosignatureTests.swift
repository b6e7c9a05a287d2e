import LedgerCore
import Testing

@Suite("Cosignature")
struct CosignatureTests {
    struct Vector: Decodable {
        let name: String
        let seedHex: String
        let timestamp: UInt64
        let verifierKey: String
        let line: String
        let note: String
    }

    private static func vectors() throws -> [Vector] {
        try Vectors.decode([Vector].self, "cosignatures.json")
    }

    private func refusal(
        _ verifier: CosignatureVerifier, _ note: SignedNote
    ) -> ProofError.Code? {
        do throws(ProofError) {
            _ = try verifier.cosignature(of: note)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("the cosignatures of the vectors verify, and only with their own keys")
    func verifies() throws {
        let vectors = try Self.vectors()
        #expect(vectors.count == 3)
        for vector in vectors {
            let verifier = try CosignatureVerifier(parsing: vector.verifierKey)
            #expect(verifier.name == vector.name)
            #expect(verifier.verifierKey == vector.verifierKey)
            let note = try SignedNote(parsing: Array(vector.note.utf8))
            #expect(note.encoded() == Array(vector.note.utf8))
            #expect(try verifier.cosignature(of: note).timestamp == vector.timestamp)
            #expect(try verifier.cosignature(of: note).signature == note.signatures[1])
            for other in vectors where other.name != vector.name {
                let stranger = try CosignatureVerifier(parsing: other.verifierKey)
                #expect(refusal(stranger, note) == .notSigned)
            }
        }
    }

    @Test("signing gives the vectors' lines but for the signature itself, and verifies")
    func signs() throws {
        for vector in try Self.vectors() {
            let signer = try CosignatureSigner(
                name: vector.name, privateKey: unhex(vector.seedHex))
            #expect(signer.verifier.verifierKey == vector.verifierKey)
            let note = try SignedNote(parsing: Array(vector.note.utf8))
            let signature = try signer.cosign(note.text, at: vector.timestamp)
            // Ed25519 is deterministic, but libraries may randomise it.
            #expect(signature.name == vector.name)
            #expect(signature.keyID == note.signatures[1].keyID)
            #expect(signature.signature[..<8] == note.signatures[1].signature[..<8])
            let cosigned = SignedNote(text: note.text, signatures: [signature])
            #expect(try signer.verifier.cosignature(of: cosigned).timestamp == vector.timestamp)
        }
    }

    @Test("every changed byte of the signature, the time or the text is found")
    func tampered() throws {
        let vector = try Self.vectors()[0]
        let verifier = try CosignatureVerifier(parsing: vector.verifierKey)
        let note = try SignedNote(parsing: Array(vector.note.utf8))
        let line = note.signatures[1]
        for index in line.signature.indices {
            var bytes = line.signature
            bytes[index] ^= 1
            let changed = SignedNote.Signature(
                name: line.name, keyID: line.keyID, signature: bytes)
            #expect(
                refusal(verifier, SignedNote(text: note.text, signatures: [changed]))
                    == .badSignature)
        }
        for index in note.text.indices {
            var text = note.text
            text[index] ^= 1
            #expect(
                refusal(verifier, SignedNote(text: text, signatures: note.signatures))
                    == .badSignature)
        }
        for bytes in [[], Array(line.signature.dropLast()), line.signature + [0]] {
            let changed = SignedNote.Signature(
                name: line.name, keyID: line.keyID, signature: bytes)
            #expect(
                refusal(verifier, SignedNote(text: note.text, signatures: [changed]))
                    == .badSignature)
        }
        // Beside a good one, a bad one in the same name is no less bad.
        let bad = SignedNote.Signature(name: line.name, keyID: line.keyID, signature: [1])
        #expect(
            refusal(verifier, SignedNote(text: note.text, signatures: [line, bad])) == .badSignature
        )
    }

    @Test("a plain signature of the same key is no cosignature, nor the other way round")
    func domains() throws {
        let vector = try Self.vectors()[0]
        let ledger = try NoteSigner(name: vector.name, privateKey: unhex(vector.seedHex))
        let witness = try CosignatureSigner(name: vector.name, privateKey: unhex(vector.seedHex))
        #expect(ledger.verifier.keyID != witness.verifier.keyID)
        let note = try ledger.note(size: 1, root: MerkleTree.emptyRoot)
        #expect(refusal(witness.verifier, note) == .notSigned)
        let plain = SignedNote.Signature(
            name: vector.name, keyID: witness.verifier.keyID,
            signature: [UInt8](repeating: 0, count: 8) + note.signatures[0].signature)
        #expect(
            refusal(witness.verifier, SignedNote(text: note.text, signatures: [plain]))
                == .badSignature)
        #expect(throws: FormatError.self) {
            _ = try NoteVerifier(parsing: witness.verifier.verifierKey)
        }
        #expect(throws: FormatError.self) {
            _ = try CosignatureVerifier(parsing: ledger.verifier.verifierKey)
        }
    }

    @Test("a time beyond 2^63-1 is neither signed nor believed")
    func time() throws {
        let signer = try CosignatureSigner(name: "w", privateKey: Array(repeating: 7, count: 32))
        #expect(throws: FormatError.self) { _ = try signer.cosign([1], at: 1 << 63) }
    }
}
