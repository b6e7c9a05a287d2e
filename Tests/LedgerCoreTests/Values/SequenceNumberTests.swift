import LedgerCore
import Testing

@Suite("SequenceNumber")
struct SequenceNumberTests {
    @Test("the counter's text leads back to the number")
    func counterRoundTrip() throws {
        for value: UInt64 in [1, 9, 10, 1001, 4096, 1 << 63 - 1] {
            let number = SequenceNumber(value)
            #expect(try SequenceNumber(canonicalDecimal: number.canonicalDecimal) == number)
        }
        #expect(SequenceNumber(1001).canonicalDecimal == Array("1001".utf8))
    }

    @Test(
        "counters that are no canonical decimal in 1..<2^63 are refused",
        arguments: [
            "", "0", "01", "+1", "-1", " 1", "1 ", "1\n", "1.0", "0x1", "1e3", "١",
            "9223372036854775808", "18446744073709551615", "18446744073709551616",
            "99999999999999999999999",
        ])
    func counterRefused(_ text: String) {
        #expect(throws: FormatError.self) {
            try SequenceNumber(canonicalDecimal: Array(text.utf8))
        }
    }

    @Test("arithmetic at the ends of 64 bits does not trap")
    func saturates() {
        let most = SequenceNumber(.max)
        #expect(most.next == most)
        #expect(SequenceNumber.zero.previous == .zero)
        #expect(SequenceNumber.zero.leafIndex == 0)
        #expect(SequenceNumber(5).advanced(by: .max) == most)
        #expect(SequenceNumber(5).distance(to: 3) == 0)
        #expect(SequenceNumber(3).distance(to: 5) == 2)
    }

    @Test("the numbers of events are 1..<2^63")
    func ledgerNumbers() {
        #expect(!SequenceNumber.zero.isLedgerNumber)
        #expect(SequenceNumber.first.isLedgerNumber)
        #expect(SequenceNumber(1 << 63 - 1).isLedgerNumber)
        #expect(!SequenceNumber.limit.isLedgerNumber)
        #expect(!SequenceNumber(.max).isLedgerNumber)
    }
}
