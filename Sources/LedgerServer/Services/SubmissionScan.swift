import LedgerCore

/// A look over the bytes of a submission, before anything is made of them: the work is one step a field.
///
/// A message of a megabyte can hold a hundred thousand metadata entries, each of which would become objects before
/// their count could be checked.
struct SubmissionScan {
    /// Entries of field 5, `metadata`.
    private(set) var metadataCount = 0
    /// The value of field 1, `event_id`, where it is there and whole: up to its longest length.
    private(set) var eventID: [UInt8] = []
    /// Whether the bytes are fields from the first to the last.
    private(set) var isWhole = false

    private static let idField: UInt64 = 1
    private static let metadataField: UInt64 = 5

    init(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while position < bytes.count {
            guard let tag = Self.varint(bytes, &position) else { return }
            let field = tag >> 3
            switch tag & 7 {
            case 0:
                guard Self.varint(bytes, &position) != nil else { return }
            case 1:
                position += 8
            case 2:
                guard let length = Self.varint(bytes, &position),
                    length <= UInt64(bytes.count - position)
                else { return }
                let end = position + Int(length)
                if field == Self.metadataField { metadataCount += 1 }
                if field == Self.idField, EventID.byteCounts.contains(Int(length)) {
                    eventID = Array(bytes[position..<end])
                }
                position = end
            case 5:
                position += 4
            default:
                // Groups are left to the decoder; there is no end of them to be found in one step.
                return
            }
        }
        isWhole = position == bytes.count
    }

    init(_ bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { Self($0) }
    }

    private static func varint(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count, shift < 64 {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }
}
