/// Checks of text that is kept as bytes.
package enum UTF8Text {
    /// Whether the bytes are well-formed UTF-8 (Unicode, table 3-7): no overlong forms, surrogates
    /// or values above U+10FFFF.
    package static func isValid(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.withUnsafeBytes { isValid($0) }
    }

    /// Whether every byte is printable ASCII, 0x20...0x7E.
    package static func isPrintableASCII(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.allSatisfy { (0x20...0x7E).contains($0) }
    }

    private static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            if index + 8 <= bytes.count,
                bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    & 0x8080_8080_8080_8080 == 0
            {
                index += 8
                continue
            }
            guard let width = scalarWidth(bytes, at: index) else { return false }
            index += width
        }
        return true
    }

    /// The length of the well-formed scalar that begins at `index`; nil where there is none.
    private static func scalarWidth(_ bytes: UnsafeRawBufferPointer, at index: Int) -> Int? {
        let lead = bytes[index]
        if lead < 0x80 { return 1 }
        let width: Int
        // The second byte is bounded by the first; the others are plain continuation bytes.
        let second: ClosedRange<UInt8>
        switch lead {
        case 0xC2...0xDF: (width, second) = (2, 0x80...0xBF)
        case 0xE0: (width, second) = (3, 0xA0...0xBF)
        case 0xED: (width, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (width, second) = (3, 0x80...0xBF)
        case 0xF0: (width, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (width, second) = (4, 0x80...0xBF)
        case 0xF4: (width, second) = (4, 0x80...0x8F)
        default: return nil
        }
        guard index + width <= bytes.count, second.contains(bytes[index + 1]) else { return nil }
        for offset in 2..<max(width, 2) where bytes[index + offset] & 0xC0 != 0x80 {
            return nil
        }
        return width
    }
}
