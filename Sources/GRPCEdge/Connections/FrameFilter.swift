import NIOCore

/// Takes out of a connection's frames what the HTTP/2 handler behind it would end the whole connection for.
///
/// That handler, whose settings are the gRPC library's, allows 200 resets and 200 pings and the like in 30 seconds. A caller
/// whose deadlines pass while etcd stalls resets more calls than that, and one that reads a long list pings with
/// every window: it would lose all its calls, and their outcomes. So
///
/// - a reset of a call is done here, by closing the call, within a bound of our own;
/// - a ping is answered here;
/// - what has no meaning for a server of gRPC (priorities, unknown types) is dropped;
/// - and the first settings of this side are acknowledged in the peer's name: many peers send a call before they have read
///   them, and until then the handler holds its headers to a default of its own. Only what takes nothing away that the
///   peer may count on is treated so; its own acknowledgements are taken out when they come.
///
/// Bytes that stay are not copied. Belongs to one event loop, like its channel.
final class FrameFilter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" (RFC 9113, section 3.4).
    private static let prefaceBytes = 24
    private static let acknowledgement: [UInt8] = [
        0, 0, 0, FrameHeader.settings, FrameHeader.ack, 0, 0, 0, 0,
    ]

    /// Told of a call that its caller has reset.
    ///
    /// - Returns: false where no such call was ever opened, which is left to the HTTP/2 handler.
    private let reset: (_ stream: UInt32) -> Bool
    /// Bytes that are handed on without a look: of the preface, or of a frame's payload.
    private var passing = prefaceBytes
    /// The beginning of a frame's header that is not whole yet.
    private var partial = ByteBuffer()
    /// A frame that is taken out, until its payload is whole.
    private var taken: (header: FrameHeader, payload: ByteBuffer)?
    private var isAfterSettings = false
    /// Whether the acknowledgements were handed over.
    private var isAcknowledged = false
    /// How many acknowledgements of the peer's are still to be taken out.
    private var awaited: Int
    /// The newest ping that waits for the connection to take an answer: who does not read needs no more than that.
    private var unanswered: ByteBuffer?

    /// - Parameters:
    ///   - settingsFrames: how many of the settings frames that this side sends before it reads anything, from the
    ///     first on, are in force at once.
    init(settingsFrames: Int, reset: @escaping (UInt32) -> Bool) {
        awaited = settingsFrames
        self.reset = reset
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let whole = unwrapInboundIn(data)
        var input = whole
        /// Where the bytes begin that are handed on next, in one piece.
        var start = input.readerIndex
        func handOn(upTo end: Int) {
            guard end > start, let run = whole.getSlice(at: start, length: end - start) else {
                return
            }
            context.fireChannelRead(wrapInboundOut(run))
        }
        while input.readableBytes > 0 {
            if passing > 0 {
                let count = min(passing, input.readableBytes)
                input.moveReaderIndex(forwardBy: count)
                passing -= count
            } else if isAfterSettings {
                handOn(upTo: input.readerIndex)
                start = input.readerIndex
                acknowledge(context)
            } else if taken != nil {
                take(&input, context)
                start = input.readerIndex
            } else if partial.readableBytes == 0, let header = FrameHeader(input) {
                let end = input.readerIndex
                input.moveReaderIndex(forwardBy: FrameHeader.byteCount)
                if !isTaken(header) {
                    keep(header)
                } else {
                    handOn(upTo: end)
                    start = input.readerIndex
                    finishIfWhole(context)
                }
            } else {
                handOn(upTo: input.readerIndex)
                collect(&input, context)
                start = input.readerIndex
            }
        }
        handOn(upTo: input.readerIndex)
        if passing == 0, isAfterSettings { acknowledge(context) }
    }

    /// Collects the header of a frame that came in pieces.
    private func collect(_ input: inout ByteBuffer, _ context: ChannelHandlerContext) {
        let missing = FrameHeader.byteCount - partial.readableBytes
        guard var part = input.readSlice(length: min(missing, input.readableBytes)) else { return }
        partial.writeBuffer(&part)
        guard let header = FrameHeader(partial) else { return }
        let bytes = partial
        partial = ByteBuffer()
        if isTaken(header) {
            finishIfWhole(context)
        } else {
            keep(header)
            context.fireChannelRead(wrapInboundOut(bytes))
        }
    }

    private func keep(_ header: FrameHeader) {
        passing = header.length
        if header.type == FrameHeader.settings, !isAcknowledged { isAfterSettings = true }
    }

    // MARK: Frames that are taken out

    /// Whether a frame is taken out; if so, its payload is collected from now on.
    private func isTaken(_ header: FrameHeader) -> Bool {
        let takes =
            switch header.type {
            case FrameHeader.settings:
                header.isAcknowledgement && header.length == 0 && isAcknowledged && awaited > 0
            case FrameHeader.ping: !header.isAcknowledgement && header.length == 8
            case FrameHeader.rstStream: header.length == 4
            case FrameHeader.priority: header.length == 5
            default: header.type > FrameHeader.lastKnown && header.length <= 16_384
            }
        if takes { taken = (header, ByteBuffer()) }
        return takes
    }

    private func take(_ input: inout ByteBuffer, _ context: ChannelHandlerContext) {
        guard let frame = taken else { return }
        // One owner while bytes are added.
        taken = nil
        var payload = frame.payload
        let missing = frame.header.length - payload.readableBytes
        if var part = input.readSlice(length: min(missing, input.readableBytes)) {
            payload.writeBuffer(&part)
        }
        taken = (frame.header, payload)
        finishIfWhole(context)
    }

    private func finishIfWhole(_ context: ChannelHandlerContext) {
        guard let (header, payload) = taken, payload.readableBytes == header.length else { return }
        taken = nil
        switch header.type {
        case FrameHeader.settings:
            awaited -= 1
        case FrameHeader.ping:
            answer(payload, context)
        case FrameHeader.rstStream where !reset(header.stream):
            var frame = header.bytes
            frame.writeImmutableBuffer(payload)
            context.fireChannelRead(wrapInboundOut(frame))
        default:
            break
        }
    }

    /// Right after the peer's first settings.
    private func acknowledge(_ context: ChannelHandlerContext) {
        isAfterSettings = false
        guard !isAcknowledged else { return }
        isAcknowledged = true
        for _ in 0..<awaited {
            context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: Self.acknowledgement)))
        }
    }

    // MARK: Pings

    private func answer(_ payload: ByteBuffer, _ context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            unanswered = payload
            return
        }
        var frame = ByteBuffer(bytes: [
            0, 0, 8, FrameHeader.ping, FrameHeader.ack, 0, 0, 0, 0,
        ])
        frame.writeImmutableBuffer(payload)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let payload = unanswered {
            unanswered = nil
            answer(payload, context)
        }
        context.fireChannelWritabilityChanged()
    }
}

/// The first nine bytes of an HTTP/2 frame (RFC 9113, section 4.1).
private struct FrameHeader {
    static let byteCount = 9
    static let priority: UInt8 = 2
    static let rstStream: UInt8 = 3
    static let settings: UInt8 = 4
    static let ping: UInt8 = 6
    /// CONTINUATION; what lies beyond are extensions.
    static let lastKnown: UInt8 = 9
    static let ack: UInt8 = 1

    let length: Int
    let type: UInt8
    let flags: UInt8
    let stream: UInt32

    var isAcknowledgement: Bool { flags & Self.ack != 0 }

    /// Nil where the bytes are fewer.
    init?(_ bytes: ByteBuffer) {
        let at = bytes.readerIndex
        guard bytes.readableBytes >= Self.byteCount,
            let high = bytes.getInteger(at: at, as: UInt16.self),
            let low = bytes.getInteger(at: at + 2, as: UInt8.self),
            let type = bytes.getInteger(at: at + 3, as: UInt8.self),
            let flags = bytes.getInteger(at: at + 4, as: UInt8.self),
            let stream = bytes.getInteger(at: at + 5, as: UInt32.self)
        else { return nil }
        length = Int(high) << 8 | Int(low)
        self.type = type
        self.flags = flags
        self.stream = stream & 0x7FFF_FFFF
    }

    var bytes: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt16(length >> 8))
        buffer.writeInteger(UInt8(length & 255))
        buffer.writeInteger(type)
        buffer.writeInteger(flags)
        buffer.writeInteger(stream)
        return buffer
    }
}
