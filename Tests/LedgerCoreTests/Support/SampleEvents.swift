import LedgerCore
import TestSupport

/// An event with some fields filled in.
func sampleEvent(
    _ name: String, payload: [UInt8] = [1, 2, 3], signature: String = "sig",
    timestamp: Int64 = 1_702_234_567_890, metadata: [String: String] = [:], submitter: String = ""
) throws(InvalidEvent) -> CertifiedEvent {
    try CertifiedEvent(
        eventID: Array(name.utf8), payload: payload, vepsSignature: Array(signature.utf8),
        vepsTimestamp: timestamp,
        metadata: metadata.map {
            MetadataEntry(key: Array($0.key.utf8), value: Array($0.value.utf8))
        },
        submitter: Array(submitter.utf8), limits: EventLimits())
}

extension ReplayableRandom {
    /// A valid event with random fields.
    mutating func event() throws(InvalidEvent) -> CertifiedEvent {
        var metadata: [MetadataEntry] = []
        for _ in 0..<Int.random(in: 0...8, using: &self) {
            let key = (0..<Int.random(in: 1...8, using: &self)).map { _ in
                UInt8.random(in: 0x20...0x7E, using: &self)
            }
            metadata.append(MetadataEntry(key: key, value: text(0...40)))
        }
        return try CertifiedEvent(
            eventID: text(1...256), payload: bytes(0...400), vepsSignature: text(0...100),
            vepsTimestamp: Int64(bitPattern: next()), metadata: metadata, submitter: text(0...60),
            limits: EventLimits())
    }

    /// A copy of the bytes with something changed: a flipped bit, a cut, an insertion.
    mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        for _ in 0..<Int.random(in: 1...3, using: &self) {
            let index = Int.random(in: 0..<max(result.count, 1), using: &self)
            switch Int.random(in: 0..<5, using: &self) {
            case 0 where !result.isEmpty:
                result[index] ^= 1 << UInt8.random(in: 0..<8, using: &self)
            case 1 where !result.isEmpty: result[index] = UInt8.random(in: 0...255, using: &self)
            case 2: result = Array(result.prefix(index))
            case 3 where !result.isEmpty: result.remove(at: index)
            default:
                result.insert(
                    UInt8.random(in: 0...255, using: &self), at: min(index, result.count))
            }
        }
        return result
    }
}
