import NIOCore

/// What a streaming service is handed in place of a message that it must answer for and is not to see.
///
/// A stream's earlier answers stand, and its order with them, if the service itself says what is wrong with a message.
/// No protobuf message begins with a marker's first byte (wire type 7 does not exist), so none can be taken for one;
/// who sends these bytes on purpose gets the error that they name.
package enum EdgeMarker: Hashable, Sendable {
    /// One message was too large and was skipped; the stream goes on. `start` holds its first bytes.
    case oversized(length: Int, start: [UInt8])
    /// The stream ends with this.
    case broken(Refusal)

    private static let oversizedTag: UInt8 = 0x07
    private static let brokenTag: UInt8 = 0x0F

    /// Reads a message's bytes; nil for what is no marker.
    package init?(_ bytes: [UInt8]) {
        switch bytes.first {
        case Self.oversizedTag where bytes.count >= 9:
            let length = bytes[1..<9].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            self = .oversized(length: Int(clamping: length), start: Array(bytes[9...]))
        case Self.brokenTag where bytes.count == 2:
            guard let refusal = Refusal(rawValue: bytes[1]) else { return nil }
            self = .broken(refusal)
        default:
            return nil
        }
    }

    /// A whole message with its prefix.
    var framed: ByteBuffer {
        var body = ByteBuffer()
        switch self {
        case .oversized(let length, let start):
            body.writeInteger(Self.oversizedTag)
            body.writeInteger(UInt64(length))
            body.writeBytes(start)
        case .broken(let refusal):
            body.writeBytes([Self.brokenTag, refusal.rawValue])
        }
        var message = ByteBuffer()
        message.writeInteger(UInt8(0))
        message.writeInteger(UInt32(body.readableBytes))
        message.writeBuffer(&body)
        return message
    }
}
