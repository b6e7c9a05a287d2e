/// The place of an event in the ledger; the first event has 1.
///
/// The numbers of sealed events lie in 1..<2^63. The type holds any 64-bit number, because callers
/// may ask for any, and its arithmetic saturates, so that no number can trap. What is read from the
/// store is checked when it is decoded.
package struct SequenceNumber: RawRepresentable, Hashable, Comparable, Sendable,
    ExpressibleByIntegerLiteral, CustomStringConvertible
{
    /// The number of the first event of a ledger.
    package static let first: SequenceNumber = 1

    /// Not the number of any event: what an empty ledger has as its last number.
    package static let zero: SequenceNumber = 0

    /// The first number that no event may have (formats.md, "Keys in etcd"; numbers from here on are
    /// corruption).
    package static let limit = SequenceNumber(1 << 63)

    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package init(integerLiteral value: UInt64) { rawValue = value }

    /// Whether an event can have this number: 1..<2^63.
    package var isLedgerNumber: Bool { rawValue >= 1 && self < .limit }

    /// The number after this one.
    package var next: SequenceNumber { advanced(by: 1) }

    /// The number before this one; zero stays zero.
    package var previous: SequenceNumber { SequenceNumber(rawValue == 0 ? 0 : rawValue - 1) }

    /// The zero-based index of this number's leaf in the Merkle tree; zero for zero.
    package var leafIndex: UInt64 { rawValue == 0 ? 0 : rawValue - 1 }

    /// The number `distance` later.
    package func advanced(by distance: UInt64) -> SequenceNumber {
        let (sum, overflow) = rawValue.addingReportingOverflow(distance)
        return SequenceNumber(overflow ? .max : sum)
    }

    /// How much later `other` is; zero where it is not.
    package func distance(to other: SequenceNumber) -> UInt64 {
        other.rawValue > rawValue ? other.rawValue - rawValue : 0
    }

    package var description: String { String(rawValue) }

    package static func < (left: SequenceNumber, right: SequenceNumber) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension SequenceNumber {
    /// Reads the text of `sequence_counter`: a canonical decimal number in 1..<2^63.
    package init(canonicalDecimal text: [UInt8]) throws(FormatError) {
        guard let value = DecimalText.canonical(text[...]) else {
            throw FormatError(.notCanonical, "the counter is not a canonical decimal number")
        }
        self.init(value)
        guard isLedgerNumber else {
            throw FormatError(.outOfBounds, "the counter \(value) is not in 1..<2^63")
        }
    }

    /// The text of `sequence_counter`, e.g. `1001`.
    package var canonicalDecimal: [UInt8] { Array(String(rawValue).utf8) }
}
