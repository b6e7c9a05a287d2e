import CZlib
import NIOCore

/// Inflates one gzip or zlib stream into memory that is bounded beforehand.
enum Inflater {
    enum Outcome {
        case whole(ByteBuffer)
        /// More than the limit would come out; these are the first bytes.
        case tooLarge(start: ByteBuffer)
        /// Not such a stream, cut off, or followed by something else.
        case malformed
    }

    /// - Parameters:
    ///   - limit: the most bytes that may come out; what is beyond is not made.
    ///   - reserving: free bytes in front of what comes out, for a frame's prefix.
    static func inflate(_ input: ByteBuffer, limit: Int, reserving prefix: Int = 0) -> Outcome {
        var stream = unsafe z_stream()
        guard unsafe ledger_inflate_begin(&stream) == Z_OK else { return .malformed }
        defer { unsafe inflateEnd(&stream) }
        var output = ByteBuffer()
        output.reserveCapacity(prefix + min(limit + 1, max(512, input.readableBytes * 4)))
        output.writeRepeatingByte(0, count: prefix)
        return unsafe input.withUnsafeReadableBytes { source in
            // zlib reads through this pointer only; its type has no const.
            unsafe stream.next_in = UnsafeMutablePointer(
                mutating: source.bindMemory(to: UInt8.self).baseAddress)
            unsafe stream.avail_in = UInt32(source.count)
            while true {
                let status = unsafe step(&stream, into: &output, upTo: prefix + limit + 1)
                if output.readableBytes > prefix + limit { return .tooLarge(start: output) }
                switch status {
                case Z_STREAM_END:
                    return unsafe stream.avail_in == 0 ? .whole(output) : .malformed
                case Z_OK:
                    // Nothing more to read and no end: the stream was cut off.
                    if unsafe stream.avail_in == 0, unsafe stream.avail_out > 0 {
                        return .malformed
                    }
                default:
                    return .malformed
                }
            }
        }
    }

    /// One call of zlib, with room for what the limit still allows.
    private static func step(
        _ stream: inout z_stream, into output: inout ByteBuffer, upTo limit: Int
    ) -> Int32 {
        var status = Z_OK
        let room = min(limit - output.readableBytes, 32_768)
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
            unsafe stream.next_out = target.bindMemory(to: UInt8.self).baseAddress
            unsafe stream.avail_out = UInt32(room)
            status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
            return unsafe room - Int(stream.avail_out)
        }
        return status
    }
}
