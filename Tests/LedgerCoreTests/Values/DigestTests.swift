import LedgerCore
import Testing

@Suite("Digest")
struct DigestTests {
    @Test("SHA-256 of known bytes is as published")
    func knownValues() {
        #expect(
            Digest.sha256([UInt8]()).hex
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            Digest.sha256(Array("abc".utf8)).hex
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(Digest.sha256(Array("xabc".utf8)[1...]) == Digest.sha256(Array("abc".utf8)))
    }

    @Test("bytes and hex lead back to the same digest")
    func roundTrip() {
        let digest = Digest.sha256(Array("abc".utf8))
        #expect(Digest(bytes: digest.bytes) == digest)
        #expect(Digest(bytes: ([9] + digest.bytes)[1...]) == digest)
        #expect(Digest(hex: digest.hex) == digest)
        var bytes: [UInt8] = [7]
        digest.append(to: &bytes)
        #expect(bytes == [7] + digest.bytes)
        #expect(Digest.zero.bytes == Array(repeating: 0, count: 32))
    }

    @Test("anything but 32 bytes or 64 lower-case hex digits is no digest")
    func refused() {
        #expect(Digest(bytes: Array(repeating: 0, count: 31)) == nil)
        #expect(Digest(bytes: Array(repeating: 0, count: 33)) == nil)
        #expect(Digest(hex: String(repeating: "A", count: 64)) == nil)
        #expect(Digest(hex: String(repeating: "0", count: 63)) == nil)
        #expect(Digest(hex: String(repeating: "0", count: 66)) == nil)
        #expect(Digest(hex: String(repeating: "g", count: 64)) == nil)
    }

    @Test("the fingerprint is the first 8 bytes of H(ILID || event id)")
    func fingerprints() throws {
        for event in try Vectors.events() {
            let eventID = try EventID(validating: Array(event.eventId.utf8))
            #expect(Fingerprint(of: eventID).hex == event.fingerprint)
        }
    }
}
