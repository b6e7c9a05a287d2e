import Foundation
import Testing

@testable import EtcdGateway

@Suite("Base64")
struct Base64Tests {
    private func encoded(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        Base64.append(bytes, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private func decoded(_ text: String) -> [UInt8]? {
        Array(text.utf8).withUnsafeBytes { Base64.decode($0) }
    }

    @Test("agrees with Foundation at every length, both ways")
    func everyLength() {
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: .min ... .max, using: &generator)
        var random = SeededGenerator(seed: seed)
        for length in 0...300 {
            let bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let expected = Data(bytes).base64EncodedString()
            #expect(encoded(bytes) == expected, "seed \(seed), length \(length)")
            #expect(decoded(expected) == bytes, "seed \(seed), length \(length)")
        }
    }

    @Test("appends after what is there")
    func appends() {
        var output = Array("before".utf8)
        Base64.append(Array("foobar".utf8), to: &output)
        #expect(output == Array("beforeZm9vYmFy".utf8))
    }

    @Test(
        "knows the vectors of RFC 4648",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func vectors(text: String, expected: String) {
        #expect(encoded(Array(text.utf8)) == expected)
        #expect(decoded(expected) == Array(text.utf8))
    }

    @Test(
        "refuses what is not canonical base64",
        arguments: [
            "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9v=", "Zm9vYg=", "Z=9v", "Zm=v",
            "Zm9v\n", " Zm9", "Zm9-", "Zm9_", "Zm9vZm9*", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm\u{80}9",
        ])
    func refuses(text: String) {
        #expect(decoded(text) == nil)
    }

    @Test("refuses each byte outside the alphabet, at each place")
    func everyWrongByte() {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for byte in UInt8.min ... .max where !alphabet.contains(byte) {
            for place in 0..<8 where !(byte == UInt8(ascii: "=") && place == 7) {
                var text = Array("Zm9vYmFy".utf8)
                text[place] = byte
                #expect(text.withUnsafeBytes { Base64.decode($0) } == nil, "\(byte) at \(place)")
            }
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
