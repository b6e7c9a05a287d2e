import NIOCore

/// The parts of protobuf's encoding that are written here without an object for a message.
///
/// Fields that have their default are left out, as every library leaves them out.
enum ProtobufFields {
    static func write(_ field: Int, _ value: UInt64, to buffer: inout ByteBuffer) {
        guard value != 0 else { return }
        buffer.writeInteger(UInt8(field << 3))
        writeVarint(value, to: &buffer)
    }

    static func write(_ field: Int, _ value: [UInt8], to buffer: inout ByteBuffer) {
        guard !value.isEmpty else { return }
        writeTag(field, length: value.count, to: &buffer)
        buffer.writeBytes(value)
    }

    static func writeTag(_ field: Int, length: Int, to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(field << 3 | 2))
        writeVarint(UInt64(length), to: &buffer)
    }

    static func writeVarint(_ value: UInt64, to buffer: inout ByteBuffer) {
        var rest = value
        while rest >= 0x80 {
            buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        buffer.writeInteger(UInt8(rest))
    }

    // MARK: Lengths

    static func varintCount(_ value: UInt64) -> Int {
        (64 - (value | 1).leadingZeroBitCount + 6) / 7
    }

    static func integerCount(_ value: UInt64) -> Int {
        value == 0 ? 0 : 1 + varintCount(value)
    }

    static func bytesCount(_ length: Int) -> Int {
        length == 0 ? 0 : 1 + varintCount(UInt64(length)) + length
    }
}
