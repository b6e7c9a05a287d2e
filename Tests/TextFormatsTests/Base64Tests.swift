import Foundation
import TestSupport
import Testing
import TextFormats

@Suite("Base64")
struct Base64Tests {
    @Test("agrees with Foundation at every length, both ways")
    func everyLength() {
        var random = ReplayableRandom()
        for length in 0...300 {
            let bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let expected = Data(bytes).base64EncodedString()
            #expect(Base64.encode(bytes) == expected, "\(random.note), length \(length)")
            #expect(Base64.decode(expected) == bytes, "\(random.note), length \(length)")
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
        #expect(Base64.encode(Array(text.utf8)) == expected)
        #expect(Base64.decode(expected) == Array(text.utf8))
    }

    @Test(
        "refuses what is not canonical base64",
        arguments: [
            "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9v=", "Zm9vYg=", "Z=9v", "Zm=v",
            "A===", "=AAA", "AA==AAAA", "__==", "AAA ", "Zm9v\n", " Zm9", "Zm9-", "Zm9_",
            "Zm9vZm9*", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm\u{80}9",
        ])
    func refuses(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test("refuses each byte outside the alphabet, at each place")
    func everyWrongByte() {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for byte in UInt8.min ... .max where !alphabet.contains(byte) {
            for place in 0..<8 where !(byte == UInt8(ascii: "=") && place == 7) {
                var text = Array("Zm9vYmFy".utf8)
                text[place] = byte
                #expect(Base64.decode(text[...]) == nil, "\(byte) at \(place)")
            }
        }
    }
}
