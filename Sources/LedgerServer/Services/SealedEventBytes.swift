import LedgerCore
import NIOCore

/// Writes a `SealedEvent` in protobuf's encoding straight from what was sealed: no object for a message that leaves at
/// once, no text for hashes, one buffer.
struct SealedEventBytes {
    private typealias Fields = ProtobufFields

    private let event: CertifiedEvent
    private let seal: Seal
    private let commitLatencyMs: Int64
    /// The bytes of the message.
    private let byteCount: Int

    /// The flag and the length in front of a gRPC message.
    static let prefixBytes = 5
    private static let hashDigits = 2 * Digest.byteCount

    /// - Parameter latency: from receipt to commit.
    init(_ event: CertifiedEvent, _ seal: Seal, latency: Nanoseconds) {
        self.event = event
        self.seal = seal
        // At least 1, so that 0 always means a read.
        commitLatencyMs = max(1, latency.millisecondsRoundedUp)
        var count = 2 * Fields.bytesCount(Self.hashDigits)
        count += Fields.integerCount(seal.sequenceNumber.rawValue)
        count += Fields.integerCount(UInt64(bitPattern: seal.sealedTimestamp))
        count += Fields.integerCount(UInt64(bitPattern: commitLatencyMs))
        count += Fields.integerCount(UInt64(bitPattern: event.vepsTimestamp))
        count += Fields.bytesCount(event.eventID.utf8.count)
        count += Fields.bytesCount(event.payload.count)
        count += Fields.bytesCount(event.vepsSignature.count)
        count += Fields.bytesCount(event.submitter.count)
        for entry in event.metadata { count += Fields.bytesCount(Self.count(of: entry)) }
        byteCount = count
    }

    /// Appends the event as a gRPC message, as `SubmitEvent` answers it.
    func writeAlone(to buffer: inout ByteBuffer) {
        buffer.reserveCapacity(minimumWritableBytes: Self.prefixBytes + byteCount)
        Self.writePrefix(byteCount, to: &buffer)
        write(to: &buffer)
    }

    /// Appends the event as the `sealed` of a `SubmitResult`, as a gRPC message.
    func writeResult(to buffer: inout ByteBuffer) {
        let count = Fields.bytesCount(byteCount)
        buffer.reserveCapacity(minimumWritableBytes: Self.prefixBytes + count)
        Self.writePrefix(count, to: &buffer)
        Fields.writeTag(1, length: byteCount, to: &buffer)
        write(to: &buffer)
    }

    /// What stands in front of a message that is not compressed.
    static func writePrefix(_ count: Int, to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(count))
    }

    // MARK: Fields

    /// In the order of their numbers; those that have their default are left out.
    private func write(to buffer: inout ByteBuffer) {
        Fields.write(1, seal.sequenceNumber.rawValue, to: &buffer)
        Fields.write(2, event.eventID.utf8, to: &buffer)
        Fields.write(3, event.payload, to: &buffer)
        Self.write(4, hexOf: seal.eventHash, to: &buffer)
        Self.write(5, hexOf: seal.previousHash, to: &buffer)
        Fields.write(6, UInt64(bitPattern: seal.sealedTimestamp), to: &buffer)
        Fields.write(7, UInt64(bitPattern: commitLatencyMs), to: &buffer)
        Fields.write(8, event.vepsSignature, to: &buffer)
        Fields.write(9, UInt64(bitPattern: event.vepsTimestamp), to: &buffer)
        for entry in event.metadata {
            Fields.writeTag(10, length: Self.count(of: entry), to: &buffer)
            Fields.writeTag(1, length: entry.key.count, to: &buffer)
            buffer.writeBytes(entry.key)
            Fields.writeTag(2, length: entry.value.count, to: &buffer)
            buffer.writeBytes(entry.value)
        }
        Fields.write(11, event.submitter, to: &buffer)
    }

    private static func write(_ field: Int, hexOf digest: Digest, to buffer: inout ByteBuffer) {
        Fields.writeTag(field, length: hashDigits, to: &buffer)
        digest.withUnsafeBytes { bytes in
            _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: hashDigits) { digits in
                Hex.encode(bytes, into: digits)
                return hashDigits
            }
        }
    }

    /// Of a map's entry, in which keys and values stand even where they are empty.
    private static func count(of entry: MetadataEntry) -> Int {
        2 + Fields.varintCount(UInt64(entry.key.count)) + entry.key.count
            + Fields.varintCount(UInt64(entry.value.count)) + entry.value.count
    }
}
