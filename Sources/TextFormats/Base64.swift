/// Standard base64 with padding (RFC 4648, section 4).
package enum Base64 {
    /// The length of the encoding of `count` bytes.
    package static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// The padded text of the bytes.
    package static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        append(bytes, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the encoding of `input` to `output`.
    package static func append(_ input: [UInt8], to output: inout [UInt8]) {
        let length = encodedCount(input.count)
        output.append(addingCapacity: length) { (span: inout OutputSpan<UInt8>) in
            unsafe span.withUnsafeMutableBufferPointer { target, count in
                // `append(addingCapacity:)` gave room for `length` bytes after `count`, and
                // `encode` writes exactly that many.
                let room = unsafe UnsafeMutableRawBufferPointer(target)[count..<(count + length)]
                unsafe encode(input, into: UnsafeMutableRawBufferPointer(rebasing: room))
                count += length
            }
        }
    }

    /// The bytes of padded text; nil for other characters, wrong padding, or bits that a decoder would drop, so that no
    /// two texts give the same bytes.
    package static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        unsafe text.withUnsafeBytes { unsafe decode($0) }
    }

    /// The bytes of padded text; nil as above.
    package static func decode(_ text: String) -> [UInt8]? {
        decode(Array(text.utf8)[...])
    }

    private static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        guard unsafe !text.isEmpty else { return [] }
        let padding = unsafe paddingCount(text)
        let count = text.count / 4 * 3 - padding
        var isValid = false
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, written in
            // Exactly `count` bytes are written where the text is valid; where it is not, the
            // array stays empty.
            isValid = unsafe decode(text, padding: padding, into: target)
            written = isValid ? count : 0
        }
        return isValid ? bytes : nil
    }

    private static let alphabet = [UInt8](
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static let pad = UInt8(ascii: "=")

    /// For each 12 bits the two characters, in memory order.
    private static let pairs: [UInt16] = (0..<4096).map { bits in
        (UInt16(alphabet[bits >> 6]) | UInt16(alphabet[bits & 63]) << 8).littleEndian
    }

    /// For each of the four places in a group, what a character contributes to the 24 bits.
    /// Anything outside the alphabet sets the highest bit.
    private static let contributions: [UInt32] = {
        var table = [UInt32](repeating: 1 << 31, count: 4 * 256)
        for (value, character) in alphabet.enumerated() {
            for place in 0..<4 {
                table[place * 256 + Int(character)] = UInt32(value) << UInt32(18 - 6 * place)
            }
        }
        return table
    }()

    /// Fills `target`, which must be exactly as long as the encoding of `input`.
    private static func encode(_ input: [UInt8], into target: UnsafeMutableRawBufferPointer) {
        precondition(target.count == encodedCount(input.count), "room for the encoding")
        let whole = input.count / 3
        unsafe input.withUnsafeBufferPointer { source in
            unsafe pairs.withUnsafeBufferPointer { pairs in
                for group in 0..<whole {
                    let bits =
                        unsafe Int(source[group * 3]) << 16
                        | Int(source[group * 3 + 1]) << 8 | Int(source[group * 3 + 2])
                    unsafe target.storeBytes(
                        of: pairs[bits >> 12], toByteOffset: group * 4, as: UInt16.self)
                    unsafe target.storeBytes(
                        of: pairs[bits & 0xFFF], toByteOffset: group * 4 + 2, as: UInt16.self)
                }
            }
        }
        let rest = input.count - whole * 3
        guard rest > 0 else { return }
        let first = input[whole * 3]
        let second = rest == 2 ? input[whole * 3 + 1] : 0
        unsafe target[whole * 4] = alphabet[Int(first >> 2)]
        unsafe target[whole * 4 + 1] = alphabet[Int((first & 3) << 4 | second >> 4)]
        unsafe target[whole * 4 + 2] = rest == 2 ? alphabet[Int((second & 15) << 2)] : pad
        unsafe target[whole * 4 + 3] = pad
    }

    private static func paddingCount(_ text: UnsafeRawBufferPointer) -> Int {
        guard unsafe text[text.count - 1] == pad else { return 0 }
        return unsafe text[text.count - 2] == pad ? 2 : 1
    }

    /// Fills `target`, which must be exactly as long as what `text` stands for. Answers false
    /// where a character is wrong, or where the last one carries bits that no byte takes.
    private static func decode(
        _ text: UnsafeRawBufferPointer, padding: Int, into target: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        unsafe contributions.withUnsafeBufferPointer { table in
            let whole = (text.count - (padding > 0 ? 4 : 0)) / 4
            var seen: UInt32 = 0
            for group in 0..<whole {
                let bits =
                    unsafe table[Int(text[group * 4])]
                    | table[256 + Int(text[group * 4 + 1])]
                    | table[512 + Int(text[group * 4 + 2])]
                    | table[768 + Int(text[group * 4 + 3])]
                seen |= bits
                unsafe target[group * 3] = UInt8(truncatingIfNeeded: bits >> 16)
                unsafe target[group * 3 + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                unsafe target[group * 3 + 2] = UInt8(truncatingIfNeeded: bits)
            }
            guard seen >> 31 == 0 else { return false }
            guard padding > 0 else { return true }
            var bits = unsafe table[Int(text[whole * 4])] | table[256 + Int(text[whole * 4 + 1])]
            if padding == 1 { bits |= unsafe table[512 + Int(text[whole * 4 + 2])] }
            let surplus: UInt32 = padding == 1 ? 0xFF : 0xFFFF
            guard bits >> 31 == 0, bits & surplus == 0 else { return false }
            unsafe target[whole * 3] = UInt8(truncatingIfNeeded: bits >> 16)
            if padding == 1 {
                unsafe target[whole * 3 + 1] = UInt8(truncatingIfNeeded: bits >> 8)
            }
            return true
        }
    }
}
