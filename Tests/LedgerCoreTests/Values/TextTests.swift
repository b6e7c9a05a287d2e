import Foundation
import LedgerCore
import Testing

@Suite("Text encodings")
struct TextTests {
    @Test("hex leads back to the bytes, and only lower case is read")
    func hex() {
        withSeed { generator in
            for _ in 0..<100 {
                let bytes = generator.bytes(0...40)
                #expect(Hex.decode(Array(Hex.encode(bytes).utf8)[...]) == bytes)
            }
        }
        #expect(Hex.decode(Array("0".utf8)[...]) == nil)
        #expect(Hex.decode(Array("0G".utf8)[...]) == nil)
        #expect(Hex.decode(Array("AB".utf8)[...]) == nil)
    }

    @Test("UTF-8 is judged as the standard library does")
    func utf8() {
        withSeed { generator in
            for _ in 0..<20_000 {
                var bytes = generator.text(0...24)
                if Bool.random(using: &generator) { bytes = generator.mutated(bytes) }
                if Bool.random(using: &generator) { bytes += generator.bytes(0...4) }
                let expected = String(validating: bytes, as: UTF8.self) != nil
                #expect(UTF8Text.isValid(bytes[...]) == expected, "\(Hex.encode(bytes))")
            }
        }
    }

    @Test(
        "overlong forms, surrogates and values above U+10FFFF are not UTF-8",
        arguments: [
            "c080", "c1bf", "e08080", "e09fbf", "f08080af", "f08fbfbf", "eda080", "edbfbf",
            "f4908080", "f5808080", "ff", "80", "c3", "e282", "f09f9c", "61c3",
        ])
    func malformedUTF8(_ hex: String) {
        #expect(!UTF8Text.isValid(unhex(hex)[...]))
    }

    @Test("padded decimals have 20 digits")
    func padded() {
        for value: UInt64 in [0, 1, 4096, .max] {
            var text: [UInt8] = []
            DecimalText.appendPadded(value, to: &text)
            #expect(text.count == 20)
            #expect(DecimalText.padded(text[...]) == value)
        }
        #expect(DecimalText.padded(Array("0000000000000000001".utf8)[...]) == nil)
        #expect(DecimalText.padded(Array("0000000000000000000a".utf8)[...]) == nil)
        #expect(DecimalText.padded(Array("99999999999999999999".utf8)[...]) == nil)
    }
}
