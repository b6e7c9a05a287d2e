import Crypto
import LedgerVerify
import Testing
import TextFormats

@Suite("SignedCheckpoint")
struct SignedCheckpointTests {
    private let vector: Vectors.Checkpoint
    private let key: VerifierKey

    init() throws {
        vector = try Vectors.checkpoint()
        key = try VerifierKey(vector.verifierKey)
    }

    private func parse(_ note: String) throws(VerificationError) -> SignedCheckpoint {
        try SignedCheckpoint(parsing: Array(note.utf8))
    }

    private func failure(_ note: String, keys: [VerifierKey]) -> VerificationError.Code? {
        code { () throws(VerificationError) in _ = try parse(note).verified(by: keys) }
    }

    @Test("the vector is read, and its key signed it")
    func vectorVerifies() throws {
        let checkpoint = try parse(vector.note)
        #expect(checkpoint.origin == vector.origin)
        #expect(checkpoint.size == 300)
        #expect(try checkpoint.rootHash.hex == Vectors.trees().trees.last?.root)
        #expect(checkpoint.signatures.map(\.name) == [vector.origin])
        let verified = try checkpoint.verified(by: [key])
        #expect(verified.signers == [key])
        #expect(verified.checkpoint.note == Array(vector.note.utf8))
    }

    @Test("any of several keys may have signed: a new key beside the old one")
    func rotation() throws {
        let (newKey, sign) = try makeKey(name: vector.origin)
        let old = try parse(vector.note)
        #expect(try old.verified(by: [newKey, key]).signers == [key])
        #expect(failure(vector.note, keys: [newKey]) == .notSigned)
        let text = "\(vector.origin)\n300\n\(Base64.encode(old.rootHash.bytes))\n"
        let new = "\(text)\n\(sign(text))"
        #expect(failure(new, keys: [key]) == .notSigned)
        #expect(try parse(new).verified(by: [key, newKey]).signers == [newKey])
        let both = vector.note + sign(text)
        #expect(try parse(both).verified(by: [newKey, key, key]).signers == [newKey, key])
    }

    @Test("without a key nothing is verified")
    func noKeys() {
        #expect(failure(vector.note, keys: []) == .notSigned)
    }

    @Test("a changed text, or a signature by another key in the name of this one, does not verify")
    func badSignature() throws {
        let changed = vector.note.replacing("\n300\n", with: "\n299\n")
        #expect(failure(changed, keys: [key]) == .badSignature)
        // A good signature does not make up for a bad one.
        let line = try #require(vector.note.split(separator: "\n").last)
        let encoded = try #require(line.split(separator: " ").last)
        var bytes = try #require(Base64.decode(String(encoded)))
        bytes[20] ^= 1
        let forged = "\u{2014} \(vector.origin) \(Base64.encode(bytes))\n"
        #expect(failure(vector.note + forged, keys: [key]) == .badSignature)
        let cut = "\u{2014} \(vector.origin) \(Base64.encode(Array(bytes.prefix(40))))\n"
        #expect(failure(vector.note + cut, keys: [key]) == .badSignature)
    }

    @Test("a signature line that comes twice counts once, and others are kept and ignored")
    func repeated() throws {
        let line = try #require(vector.note.split(separator: "\n").last)
        let doubled = try parse(vector.note + String(line) + "\n")
        #expect(try doubled.verified(by: [key]).signers == [key])
        #expect(doubled.signatures.count == 2)
        let other = try parse(vector.note + "\u{2014} witness AAAAAAAA\n")
        #expect(try other.verified(by: [key]).signers == [key])
        #expect(other.signatures.last?.name == "witness")
        #expect(other.signatures.last?.keyID == 0)
    }

    @Test("a checkpoint of another origin is refused although the key signed it")
    func wrongOrigin() throws {
        let (other, sign) = try makeKey(name: "another")
        let text = "\(vector.origin)\n300\n\(Base64.encode([UInt8](repeating: 0, count: 32)))\n"
        let note = "\(text)\n\(sign(text))"
        #expect(failure(note, keys: [other]) == .wrongOrigin)
        #expect(failure(note, keys: [other, key]) == .wrongOrigin)
        // Who signs beside the ledger is no ledger, and does no harm.
        let cosigned = vector.note + sign(vector.note.components(upTo: "\n\n") + "\n")
        #expect(try parse(cosigned).verified(by: [other, key]).signers == [key])
    }

    @Test("what is no note is refused, whatever its size")
    func malformed() throws {
        let root = Base64.encode([UInt8](repeating: 0, count: 32))
        let signature = "\n\u{2014} a AAAAAAAA\n"
        var notes = [
            "", "\n", "\n\n", "\n\n\n", vector.note.replacing("\n", with: "\r\n"),
            String(vector.note.dropLast()), "a\n1\n\(root)\n", "a\n1\n\(root)\n\n",
            "a\n01\n\(root)\n\(signature)", "a\n18446744073709551616\n\(root)\n\(signature)",
            "a\n-1\n\(root)\n\(signature)", "a\n1\nAAAA\n\(signature)", "a\n1\n\(signature)",
            "a\n\n1\n\(root)\n\(signature)", "a\n1\n\(root)\n\n\u{2014} a b AAAAAAAA\n",
            "a\n1\n\(root)\n\n- a AAAAAAAA\n", "a\n1\n\(root)\n\n\u{2014} a AAAAAA==\n",
            "a\n1\n\(root)\n\n\u{2014} a+b AAAAAAAA\n", vector.note + "\u{0}\n",
            "a\n1\n\(root)\n" + String(repeating: "\n\u{2014} a AAAAAAAA", count: 1) + "\n\n",
            "a\n1\n\(root)\n\n" + String(repeating: "\u{2014} a AAAAAAAA\n", count: 101),
            String(repeating: "a", count: 10 << 20), String(repeating: "\n", count: 10 << 20),
        ]
        notes.append(String(repeating: "\u{2014} a AAAAAAAA\n", count: 500_000))
        for note in notes {
            #expect(
                code { () throws(VerificationError) in _ = try parse(note) }
                    == .malformedCheckpoint,
                "\(note.prefix(80))")
        }
        var notUTF8 = Array(vector.note.utf8)
        notUTF8[3] = 0xFF
        #expect(
            code { () throws(VerificationError) in
                _ = try SignedCheckpoint(parsing: notUTF8)
            } == .malformedCheckpoint)
    }

    @Test("what is no verifier key is refused")
    func keys() {
        let texts = [
            "", "+", "++", "a+b+c", vector.verifierKey + "A", vector.verifierKey.lowercased(),
            String(vector.verifierKey.dropFirst()), String(repeating: "a", count: 10 << 20),
            vector.verifierKey + "\n", " " + vector.verifierKey,
            vector.verifierKey.replacing("+AQ", with: "+BA"),
        ]
        for text in texts {
            #expect(
                code { () throws(VerificationError) in _ = try VerifierKey(text) } == .malformedKey,
                "\(text.prefix(80))")
        }
    }
}

extension String {
    fileprivate func components(upTo separator: String) -> String {
        split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false).first.map(
            String.init) ?? self
    }
}

/// A new key of a name, and what makes its signature lines.
func makeKey(name: String) throws -> (VerifierKey, @Sendable (String) -> String) {
    let key = Curve25519.Signing.PrivateKey()
    let publicKey = [UInt8(1)] + Array(key.publicKey.rawRepresentation)
    let id = Array(SHA256.hash(data: Array(name.utf8) + [0x0A] + publicKey).prefix(4))
    let digits = id.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let verifier = try VerifierKey("\(name)+\(digits)+\(Base64.encode(publicKey))")
    let seed = Array(key.rawRepresentation)
    return (
        verifier,
        { text in
            guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed),
                let signature = try? key.signature(for: Array(text.utf8))
            else { return "" }
            return "\u{2014} \(name) \(Base64.encode(id + Array(signature)))\n"
        }
    )
}
