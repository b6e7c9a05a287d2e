import NIOCore

/// Puts this side's HTTP/2 settings in force at once, instead of when the peer has acknowledged them.
///
/// Many peers send their first call before they have read a settings frame. Until they acknowledge ours, the HTTP/2 handler
/// holds their headers to its own default, and closes the whole connection over a call that has more. Settings that take
/// nothing away that the peer may count on before it knows of them need not wait: the HTTP/2 handler is handed their
/// acknowledgements with the peer's own settings; those that come later are taken out, and then this handler leaves.
///
/// It stands in front of the HTTP/2 handler and belongs to one event loop, like its channel.
final class SettingsAcknowledger: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" (RFC 9113, section 3.4).
    private static let prefaceBytes = 24
    private static let frameHeaderBytes = 9
    private static let settingsType: UInt8 = 4
    private static let ackFlag: UInt8 = 1
    private static let acknowledgement: [UInt8] = [0, 0, 0, settingsType, ackFlag, 0, 0, 0, 0]

    private struct FrameHeader {
        var length: Int
        var isSettings: Bool
        var isAcknowledgement: Bool
    }

    /// Bytes that are handed on without a look: of the preface, or of a frame's payload.
    private var passing = prefaceBytes
    /// The beginning of a frame whose header is not whole yet.
    private var partial = ByteBuffer()
    private var hasHandedOver = false
    private var isPeersSettings = false
    /// How many settings frames of ours the peer will still acknowledge.
    private var awaited: Int

    /// - Parameter settingsFrames: how many of the settings frames that this side sends before it reads anything, from
    ///   the first on, are in force at once.
    init(settingsFrames: Int) {
        awaited = settingsFrames
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = unwrapInboundIn(data)
        var output = ByteBuffer()
        while input.readableBytes > 0, awaited > 0 {
            if passing > 0 {
                pass(&input, to: &output)
            } else {
                readHeader(&input, to: &output)
            }
        }
        output.writeBuffer(&input)
        if output.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(output)) }
        if awaited == 0 {
            awaited = -1
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
    }

    private func pass(_ input: inout ByteBuffer, to output: inout ByteBuffer) {
        let count = min(passing, input.readableBytes)
        passing -= count
        if var part = input.readSlice(length: count) { output.writeBuffer(&part) }
        if passing == 0 { handOverIfDue(to: &output) }
    }

    private func readHeader(_ input: inout ByteBuffer, to output: inout ByteBuffer) {
        let missing = Self.frameHeaderBytes - partial.readableBytes
        if var part = input.readSlice(length: min(missing, input.readableBytes)) {
            partial.writeBuffer(&part)
        }
        guard let header = Self.header(partial) else { return }
        if header.isAcknowledgement, hasHandedOver {
            awaited -= 1
        } else {
            output.writeImmutableBuffer(partial)
            passing = header.length
            isPeersSettings = header.isSettings && !header.isAcknowledgement
        }
        partial.clear()
        if passing == 0 { handOverIfDue(to: &output) }
    }

    /// Right after the peer's first settings.
    private func handOverIfDue(to output: inout ByteBuffer) {
        guard isPeersSettings, !hasHandedOver else { return }
        hasHandedOver = true
        for _ in 0..<awaited { output.writeBytes(Self.acknowledgement) }
    }

    private static func header(_ bytes: ByteBuffer) -> FrameHeader? {
        guard bytes.readableBytes == frameHeaderBytes,
            let length = bytes.getBytes(at: bytes.readerIndex, length: 3),
            let type = bytes.getInteger(at: bytes.readerIndex + 3, as: UInt8.self),
            let flags = bytes.getInteger(at: bytes.readerIndex + 4, as: UInt8.self)
        else { return nil }
        let count = length.reduce(0) { $0 << 8 | Int($1) }
        let isSettings = type == settingsType
        return FrameHeader(
            length: count, isSettings: isSettings,
            isAcknowledgement: isSettings && flags & ackFlag != 0 && count == 0)
    }
}
