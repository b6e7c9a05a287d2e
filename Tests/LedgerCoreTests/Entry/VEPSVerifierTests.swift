import Crypto
import LedgerCore
import Testing
import TextFormats

@Suite("VEPSVerifier")
struct VEPSVerifierTests {
    private func signed(_ event: CertifiedEvent, _ signature: [UInt8]) throws -> CertifiedEvent {
        try CertifiedEvent(
            eventID: event.eventID.utf8, payload: event.payload,
            vepsSignature: Array(Base64.encode(signature).utf8),
            vepsTimestamp: event.vepsTimestamp, metadata: event.metadata, submitter: [],
            limits: EventLimits())
    }

    @Test("the vector's signed bytes and signature are those of event 4")
    func vector() throws {
        let vector = try Vectors.decode(Vectors.VEPSSignature.self, "veps_signature.json")
        let event = try #require(try Vectors.events().dropFirst(3).first).certified()
        #expect(Hex.encode(event.signedBytes) == vector.signedHex)
        let verifier = VEPSVerifier(keys: [
            try VEPSVerifier.Key(ed25519: unhex(vector.publicKeyHex))
        ])
        let signature = try #require(Base64.decode(vector.signatureBase64))
        #expect(verifier.accepts(try signed(event, signature)))
        #expect(!verifier.accepts(event))
    }

    @Test("any of several keys may have signed, Ed25519 or P-256")
    func severalKeys() throws {
        let edwards = Curve25519.Signing.PrivateKey()
        let p256 = P256.Signing.PrivateKey()
        let verifier = VEPSVerifier(keys: [
            try VEPSVerifier.Key(ed25519: Array(edwards.publicKey.rawRepresentation)),
            try VEPSVerifier.Key(pem: Array(p256.publicKey.pemRepresentation.utf8)),
        ])
        let event = try sampleEvent("e", metadata: ["k": "v"])
        let byEdwards = Array(try edwards.signature(for: event.signedBytes))
        let byP256 = Array(try p256.signature(for: event.signedBytes).derRepresentation)
        #expect(verifier.accepts(try signed(event, byEdwards)))
        #expect(verifier.accepts(try signed(event, byP256)))

        let other = try sampleEvent("e", metadata: ["k": "w"])
        #expect(!verifier.accepts(try signed(other, byEdwards)))
        #expect(!verifier.accepts(try signed(other, byP256)))
        let stranger = Array(
            try Curve25519.Signing.PrivateKey().signature(for: event.signedBytes))
        #expect(!verifier.accepts(try signed(event, stranger)))
    }

    @Test(
        "text that is not the base64 of a signature is not accepted", arguments: ["", "AA==", "?"])
    func malformed(_ signature: String) throws {
        let key = Curve25519.Signing.PrivateKey().publicKey
        let verifier = VEPSVerifier(keys: [
            try VEPSVerifier.Key(ed25519: Array(key.rawRepresentation))
        ])
        #expect(!verifier.accepts(try sampleEvent("e", signature: signature)))
    }

    @Test("an Ed25519 public key is read from the PEM that openssl writes")
    func pem() throws {
        let text = """
            -----BEGIN PUBLIC KEY-----
            MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
            -----END PUBLIC KEY-----
            """
        let document = try PEMDocument(parsing: Array(text.utf8))
        let vector = try Vectors.decode(Vectors.VEPSSignature.self, "veps_signature.json")
        #expect(document.ed25519PublicKey == unhex(vector.publicKeyHex))
        #expect(throws: Never.self) { try VEPSVerifier.Key(pem: Array(text.utf8)) }
        #expect(throws: FormatError.self) { try VEPSVerifier.Key(pem: Array("none".utf8)) }
        #expect(throws: FormatError.self) { try VEPSVerifier.Key(ed25519: [1, 2]) }
    }
}
