/// Decimal text of unsigned numbers, as keys and stored values hold it.
package enum DecimalText {
    /// The number of digits in a key: enough for every 64-bit number.
    package static let paddedWidth = 20

    /// The value of canonical text: digits only, no leading zero, at most 2^64-1; nil otherwise.
    package static func canonical(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard let first = text.first, first != UInt8(ascii: "0") || text.count == 1 else {
            return nil
        }
        return value(text)
    }

    /// The value of exactly 20 digits; nil for anything else.
    package static func padded(_ text: ArraySlice<UInt8>) -> UInt64? {
        text.count == paddedWidth ? value(text) : nil
    }

    /// Appends the number with 20 digits.
    package static func appendPadded(_ number: UInt64, to text: inout [UInt8]) {
        let start = text.count
        text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: paddedWidth))
        var rest = number
        var index = start + paddedWidth
        while rest > 0 {
            index -= 1
            text[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    private static func value(_ text: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for character in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else { return nil }
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(
                UInt64(character - UInt8(ascii: "0")))
            guard !tooLarge, !carried else { return nil }
            value = sum
        }
        return value
    }
}
