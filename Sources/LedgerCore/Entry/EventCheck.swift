/// Collects what is wrong with the fields of a submission, in the caller's words.
struct EventCheck {
    private(set) var violations: [InvalidEvent.Violation] = []

    mutating func eventID(_ utf8: [UInt8]) -> EventID? {
        guard EventID.byteCounts.contains(utf8.count) else {
            report("event_id", "must have 1 to 256 bytes of UTF-8; it has \(utf8.count)")
            return nil
        }
        guard let eventID = try? EventID(validating: utf8) else {
            report("event_id", "must be valid UTF-8")
            return nil
        }
        return eventID
    }

    mutating func payload(_ payload: [UInt8], limits: EventLimits) {
        if payload.count > limits.maxPayloadBytes {
            report(
                "payload",
                "must have at most \(limits.maxPayloadBytes) bytes; it has \(payload.count)")
        }
    }

    mutating func signature(_ utf8: [UInt8]) {
        if utf8.count > EventLimits.maxSignatureBytes {
            report(
                "veps_signature",
                "must have at most \(EventLimits.maxSignatureBytes) bytes; it has \(utf8.count)")
        } else if !UTF8Text.isValid(utf8[...]) {
            report("veps_signature", "must be valid UTF-8")
        }
    }

    mutating func metadata(_ metadata: [MetadataEntry]) {
        if metadata.count > EventLimits.maxMetadataEntries {
            report(
                "metadata",
                "must have at most \(EventLimits.maxMetadataEntries) entries; "
                    + "it has \(metadata.count)")
        }
        // One report a rule: a thousand bad keys do not make a thousand lines.
        if let key = metadata.first(where: { !Self.isKeyLength($0.key.count) })?.key {
            report("metadata", "a key must have 1 to 128 bytes; one has \(key.count)")
        }
        if metadata.contains(where: { !UTF8Text.isPrintableASCII($0.key[...]) }) {
            report("metadata", "a key must be printable ASCII (0x20 to 0x7E); one is not")
        }
        let longest = EventLimits.maxMetadataValueBytes
        if let value = metadata.first(where: { $0.value.count > longest })?.value {
            report("metadata", "a value must have at most \(longest) bytes; one has \(value.count)")
        }
        if metadata.contains(where: { !UTF8Text.isValid($0.value[...]) }) {
            report("metadata", "a value must be valid UTF-8; one is not")
        }
    }

    mutating func submitter(_ utf8: [UInt8]) {
        if !UTF8Text.isValid(utf8[...]) {
            report("submitter", "the identity in the caller's certificate must be valid UTF-8")
        }
    }

    mutating func entryTooLong(_ byteCount: Int) {
        report(
            "payload",
            "the event with all its fields must have at most \(EventLimits.maxEntryBytes) bytes "
                + "as a sealed entry; it would have \(byteCount)")
    }

    private static func isKeyLength(_ count: Int) -> Bool {
        EventLimits.metadataKeyBytes.contains(count)
    }

    private mutating func report(_ field: String, _ description: String) {
        violations.append(InvalidEvent.Violation(field: field, description: description))
    }
}
