package import NIOCore

/// Cuts a call's bytes into messages, and bounds each before its bytes are kept.
///
/// A message on the wire is a flag (compressed or not), its length in four bytes, and its bytes (the gRPC protocol over
/// HTTP/2, "Length-Prefixed-Message"). What comes out is never compressed and never longer than the limit, so that
/// the gRPC library's own decoder has nothing to refuse: it would close the call without a status.
package struct MessageFraming {
    /// What was cut out.
    package enum Piece: Equatable {
        /// A whole message with its prefix, not compressed.
        case message(ByteBuffer)
        /// A message beyond the limit was skipped; these are its first bytes, where they are known.
        case oversized(length: Int, start: ByteBuffer)
        /// Nothing after this can be made sense of.
        case broken(Refusal)
    }

    /// In front of every message: a flag and the length.
    package static let prefixBytes = 5

    private struct Prefix {
        static let byteCount = prefixBytes
        var isCompressed: Bool
        var length: Int
    }

    private enum State {
        /// Fewer bytes than a prefix has.
        case prefix(ByteBuffer)
        /// `bytes` begin with the prefix.
        case collecting(Prefix, bytes: ByteBuffer)
        case skipping(remaining: Int, length: Int, start: ByteBuffer)
        case broken
    }

    /// How much of a skipped message is kept, to tell which one it was.
    static let keptStart = 300

    private let maxBytes: Int
    private let maxSkippedBytes: Int
    private let isCompressionAllowed: Bool
    private var state = State.prefix(ByteBuffer())

    /// - Parameters:
    ///   - maxBytes: the longest message, in bytes after decompression.
    ///   - maxSkippedBytes: up to here a longer one is skipped; beyond it ends the call. 0 skips nothing.
    ///   - isCompressionAllowed: whether the call has named an encoding.
    package init(maxBytes: Int, maxSkippedBytes: Int, isCompressionAllowed: Bool) {
        self.maxBytes = maxBytes
        self.maxSkippedBytes = maxSkippedBytes
        self.isCompressionAllowed = isCompressionAllowed
    }

    /// The bytes of an incomplete message that are kept.
    var heldBytes: Int {
        switch state {
        case .prefix(let bytes), .collecting(_, let bytes): bytes.readableBytes
        case .skipping(_, _, let start): start.readableBytes
        case .broken: 0
        }
    }

    /// Whether a message has begun and not ended.
    var isInMessage: Bool {
        switch state {
        case .prefix(let bytes): bytes.readableBytes > 0
        case .collecting, .skipping: true
        case .broken: false
        }
    }

    /// Takes from `input` what belongs to the next piece.
    ///
    /// - Returns: nil when `input` is used up before a piece is whole.
    package mutating func next(from input: inout ByteBuffer) -> Piece? {
        while true {
            switch state {
            case .prefix(var bytes):
                if bytes.readableBytes == 0, let whole = wholeMessage(in: &input) { return whole }
                let missing = Prefix.byteCount - bytes.readableBytes
                guard var rest = input.readSlice(length: min(missing, input.readableBytes)) else {
                    return nil
                }
                bytes.writeBuffer(&rest)
                state = .prefix(bytes)
                guard let prefix = Self.prefix(of: bytes) else { return nil }
                if let broken = begin(prefix, bytes) { return broken }
            case .collecting(let prefix, var bytes):
                let missing = Prefix.byteCount + prefix.length - bytes.readableBytes
                guard var rest = input.readSlice(length: min(missing, input.readableBytes)) else {
                    return nil
                }
                // Not two owners of the bytes while they grow.
                state = .broken
                bytes.writeBuffer(&rest)
                state = .collecting(prefix, bytes: bytes)
                guard bytes.readableBytes == Prefix.byteCount + prefix.length else { return nil }
                state = .prefix(ByteBuffer())
                return finished(prefix, bytes)
            case .skipping(let remaining, let length, var start):
                guard var part = input.readSlice(length: min(remaining, input.readableBytes)) else {
                    return nil
                }
                let left = remaining - part.readableBytes
                let kept = min(Self.keptStart - start.readableBytes, part.readableBytes)
                if kept > 0, var head = part.readSlice(length: kept) { start.writeBuffer(&head) }
                state = .skipping(remaining: left, length: length, start: start)
                guard left == 0 else { return nil }
                state = .prefix(ByteBuffer())
                return .oversized(length: length, start: start)
            case .broken:
                input.moveReaderIndex(to: input.writerIndex)
                return nil
            }
        }
    }

    /// The usual case, without a copy: all bytes of a message came together.
    private func wholeMessage(in input: inout ByteBuffer) -> Piece? {
        guard let prefix = Self.prefix(of: input), !prefix.isCompressed, prefix.length <= maxBytes,
            let message = input.readSlice(length: Prefix.byteCount + prefix.length)
        else { return nil }
        return .message(message)
    }

    private static func prefix(of bytes: ByteBuffer) -> Prefix? {
        guard let flag = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self),
            let length = bytes.getInteger(at: bytes.readerIndex + 1, as: UInt32.self),
            // Another flag is refused in `begin`, which is reached for it because no message is this long.
            flag < 2
        else {
            return bytes.readableBytes >= Prefix.byteCount
                ? Prefix(isCompressed: false, length: .max) : nil
        }
        return Prefix(isCompressed: flag == 1, length: Int(length))
    }

    private mutating func begin(_ prefix: Prefix, _ bytes: ByteBuffer) -> Piece? {
        if prefix.length == .max { return broken(.malformedMessage) }
        if prefix.isCompressed, !isCompressionAllowed { return broken(.compressedWithoutEncoding) }
        if prefix.length <= maxBytes {
            state = .collecting(prefix, bytes: bytes)
        } else if prefix.length <= maxSkippedBytes {
            state = .skipping(
                remaining: prefix.length, length: prefix.length, start: ByteBuffer())
        } else {
            return broken(.messageTooLarge)
        }
        return nil
    }

    private mutating func finished(_ prefix: Prefix, _ bytes: ByteBuffer) -> Piece {
        guard prefix.isCompressed else { return .message(bytes) }
        var compressed = bytes
        compressed.moveReaderIndex(forwardBy: Prefix.byteCount)
        switch Inflater.inflate(compressed, limit: maxBytes, reserving: Prefix.byteCount) {
        case .whole(var message):
            message.setInteger(
                UInt32(message.readableBytes - Prefix.byteCount), at: message.readerIndex + 1)
            return .message(message)
        case .tooLarge(var start):
            guard maxSkippedBytes > 0 else { return broken(.messageTooLarge) }
            let length = start.readableBytes - Prefix.byteCount
            start.moveReaderIndex(forwardBy: Prefix.byteCount)
            let kept = start.getSlice(
                at: start.readerIndex, length: min(Self.keptStart, start.readableBytes))
            return .oversized(length: length, start: kept ?? ByteBuffer())
        case .malformed:
            return broken(.malformedCompression)
        }
    }

    private mutating func broken(_ refusal: Refusal) -> Piece {
        state = .broken
        return .broken(refusal)
    }
}
