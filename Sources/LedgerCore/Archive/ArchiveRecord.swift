import TextFormats

/// How far the ledger is archived, as the key `archive` holds it (formats.md, "Archive").
package struct ArchiveRecord: Hashable, Sendable {
    /// The version of the stored form.
    package static let version: UInt64 = 1

    /// The most bytes of a location.
    package static let maxLocationBytes = 1_024

    /// `trimmed` is a multiple of so many events: what one ids segment covers.
    package static let trimStep = UInt64(IdSegment.width)

    /// Where the archive is: `s3://bucket/prefix` or `file:///folder`.
    package let location: String

    /// Every event up to this number is in the archive and was read back.
    package let through: SequenceNumber

    /// Events up to this number may be missing from etcd.
    package let trimmed: SequenceNumber

    /// - Throws: `FormatError` where `trimmed` is above `through` or no multiple of `trimStep`, a number is no ledger's, or
    ///   the location is empty, too long, or holds what would need escaping in JSON.
    package init(
        location: String, through: SequenceNumber, trimmed: SequenceNumber = .zero
    ) throws(FormatError) {
        guard Self.isLocation(location) else {
            throw FormatError(
                .invalidText,
                "the archive's location has 1 to \(Self.maxLocationBytes) printable ASCII bytes, "
                    + "without spaces, quotes and backslashes")
        }
        guard through == .zero || through.isLedgerNumber else {
            throw FormatError(.outOfBounds, "the archive's size is no sequence number")
        }
        guard trimmed <= through, trimmed.rawValue.isMultiple(of: Self.trimStep) else {
            throw FormatError(
                .inconsistent,
                "events are trimmed up to a multiple of \(Self.trimStep) that is archived")
        }
        self.location = location
        self.through = through
        self.trimmed = trimmed
    }

    /// Whether a text can be a location: it is written into JSON as it is.
    package static func isLocation(_ text: String) -> Bool {
        let bytes = text.utf8
        return (1...maxLocationBytes).contains(bytes.count)
            && bytes.allSatisfy {
                (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"")
                    && $0 != UInt8(ascii: "\\")
            }
    }

    /// The key's value, without white space: the same record always gives the same bytes.
    package func encodedJSON() -> [UInt8] {
        Array(
            (#"{"version":\#(Self.version),"location":"\#(location)","#
                + #""through":\#(through),"trimmed":\#(trimmed)}"#).utf8)
    }

    /// Reads the key's value; unknown members are an error, for what they say could be what matters.
    package init(decodingJSON bytes: [UInt8]) throws(FormatError) {
        var version: UInt64?
        var location: String?
        var through: UInt64?
        var trimmed: UInt64?
        try JSONReader.members(of: bytes, "the archive's record") {
            key, reader throws(JSONFailure) in
            switch key {
            case "version": version = try reader.integer()
            case "location": location = try reader.string()
            case "through": through = try reader.integer()
            case "trimmed": trimmed = try reader.integer()
            default: throw reader.unknown
            }
        }
        guard version == Self.version, let location, let through, let trimmed else {
            throw FormatError(.wrongFormat, "the archive's record lacks a member of version 1")
        }
        try self.init(
            location: location, through: SequenceNumber(rawValue: through),
            trimmed: SequenceNumber(rawValue: trimmed))
    }
}
