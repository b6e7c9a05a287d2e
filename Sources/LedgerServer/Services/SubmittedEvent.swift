package import LedgerAPI
package import LedgerCore

/// The fields of a submitted event as they came, before anything is known of them.
package struct SubmittedEvent: Hashable, Sendable {
    package private(set) var eventID: [UInt8] = []
    package private(set) var payload: [UInt8] = []
    package private(set) var vepsSignature: [UInt8] = []
    package private(set) var vepsTimestamp: Int64 = 0
    package private(set) var metadata: [MetadataEntry] = []

    package init(_ decoded: Ledger_Internal_Submission) {
        eventID = Array(decoded.eventID)
        payload = Array(decoded.payload)
        vepsSignature = Array(decoded.vepsSignature)
        vepsTimestamp = decoded.vepsTimestamp
        metadata = decoded.metadata.map {
            MetadataEntry(key: Array($0.key), value: Array($0.value))
        }
    }

    /// Reads the encoding that every library writes, in one pass and with one copy of each field.
    ///
    /// - Returns: nil for whatever else there may be (unknown fields, other wire types, too many entries, bytes that are
    ///   no message): protobuf's own decoder says what that is.
    package init?(regular bytes: [UInt8]) {
        var reader = ProtobufReader(bytes: bytes[...])
        while let tag = reader.next() {
            switch tag {
            case Tag.eventID:
                guard let value = reader.field() else { return nil }
                eventID = Array(value)
            case Tag.payload:
                guard let value = reader.field() else { return nil }
                payload = Array(value)
            case Tag.vepsSignature:
                guard let value = reader.field() else { return nil }
                vepsSignature = Array(value)
            case Tag.vepsTimestamp:
                guard let value = reader.varint() else { return nil }
                vepsTimestamp = Int64(bitPattern: value)
            case Tag.metadata:
                guard metadata.count < EventLimits.maxMetadataEntries, let value = reader.field(),
                    let entry = MetadataEntry(regular: value)
                else { return nil }
                metadata.append(entry)
            default:
                return nil
            }
        }
    }

    /// The id for a stream's answer; what is not UTF-8 is shown replaced, and what is too long is cut.
    var displayedID: String {
        String(decoding: eventID.prefix(EventID.byteCounts.upperBound), as: UTF8.self)
    }

    /// How many bytes the event has, about.
    var byteCount: Int {
        payload.count + eventID.count + metadata.reduce(0) { $0 + $1.key.count + $1.value.count }
    }

    /// Field numbers and wire types as they stand in front of the fields.
    fileprivate enum Tag {
        static let eventID: UInt8 = 0x0A
        static let payload: UInt8 = 0x12
        static let vepsSignature: UInt8 = 0x1A
        static let vepsTimestamp: UInt8 = 0x20
        static let metadata: UInt8 = 0x2A
        /// Of a metadata entry.
        static let key: UInt8 = 0x0A
        static let value: UInt8 = 0x12
    }
}

extension MetadataEntry {
    fileprivate init?(regular bytes: ArraySlice<UInt8>) {
        var reader = ProtobufReader(bytes: bytes)
        var key: ArraySlice<UInt8> = []
        var value: ArraySlice<UInt8> = []
        while let tag = reader.next() {
            guard let field = reader.field() else { return nil }
            switch tag {
            case SubmittedEvent.Tag.key: key = field
            case SubmittedEvent.Tag.value: value = field
            default: return nil
            }
        }
        self.init(key: Array(key), value: Array(value))
    }
}
