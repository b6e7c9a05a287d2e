internal import EventLoopTasks
internal import GRPCCore
internal import LedgerClient
internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2
internal import NIOPosix

/// Who made a call over a `LeanConnection`, and is told what comes of it.
protocol LeanCaller: AnyObject {
    /// A message of the answer, without its prefix.
    func received(_ message: ByteBuffer)
    /// All that had come when the connection was read is told: the time to send more.
    func turnEnded()
    /// The call has ended, with OK where there is no error. Nothing follows.
    func ended(_ error: RPCError?)
}

/// One HTTP/2 connection on which gRPC calls are made without a gRPC library: no task, no channel and no timer for a call.
///
/// The bytes on the wire are those of the gRPC protocol over HTTP/2, without compression. Belongs to the reactor's
/// event loop.
final class LeanConnection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// A call that has not ended.
    private struct Call {
        let caller: any LeanCaller
        /// The beginning of a message that is not whole.
        var partial = ByteBuffer()
        /// Bytes that the server is not told yet that they were taken.
        var taken = 0
    }

    /// How much the server may send before it is told that this was taken: of a call, and of the connection.
    private static let windowBytes = 8 << 20
    /// The window that every connection begins with (RFC 9113, section 6.9.2).
    private static let firstWindowBytes = 65_535
    /// The flag and the length of a message.
    private static let prefixBytes = 5

    private var context: ChannelHandlerContext?
    private var calls: [HTTP2StreamID: Call] = [:]
    private var nextStream = HTTP2StreamID(1)
    private var taken = 0
    /// Calls that have got something in this turn of reading.
    private var touched: [HTTP2StreamID] = []
    private var isReading = false
    private var hasWritten = false
    /// Whether calls can be made.
    private(set) var isOpen = false

    /// Connects; to be called on the event loop.
    static func connect(
        to address: ServerAddress
    ) -> EventLoopFuture<LeanConnection>.Isolated {
        ClientBootstrap(group: Reactor.group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    var configuration = NIOHTTP2Handler.ConnectionConfiguration()
                    configuration.initialSettings = [
                        HTTP2Setting(parameter: .enablePush, value: 0),
                        HTTP2Setting(parameter: .initialWindowSize, value: windowBytes),
                    ]
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        NIOHTTP2Handler(mode: .client, connectionConfiguration: configuration))
                    try pipeline.addHandler(LeanConnection())
                }
            }
            .connect(host: address.host, port: address.port)
            .assumeIsolated()
            .flatMapThrowing { channel in
                try channel.pipeline.syncOperations.handler(type: LeanConnection.self)
            }
    }

    // MARK: Calling

    /// The headers of every call of a method.
    ///
    /// - Parameter deadlineMs: what the service is told; nothing here ends a call for it.
    static func head(
        of method: MethodDescriptor, at address: ServerAddress, deadlineMs: Int? = nil
    ) -> HPACKHeaders {
        var headers: HPACKHeaders = [
            ":method": "POST", ":scheme": "http",
            ":path": "/\(method.fullyQualifiedMethod)", ":authority": address.description,
            "te": "trailers", "content-type": "application/grpc",
        ]
        if let deadlineMs { headers.add(name: "grpc-timeout", value: "\(deadlineMs)m") }
        return headers
    }

    /// Begins a call, on a connection that is open.
    func begin(_ head: HPACKHeaders, _ caller: any LeanCaller) -> HTTP2StreamID {
        let stream = nextStream
        nextStream = stream.advanced(by: 2)
        calls[stream] = Call(caller: caller)
        write(.headers(.init(headers: head)), stream)
        return stream
    }

    /// Sends messages, each with its prefix.
    ///
    /// - Parameter isLast: whether the caller sends nothing more.
    func send(_ messages: ByteBuffer, isLast: Bool, over stream: HTTP2StreamID) {
        guard calls[stream] != nil else { return }
        write(.data(.init(data: .byteBuffer(messages), endStream: isLast)), stream)
    }

    /// Sends what was written; by itself this happens at the end of a turn of reading.
    func flush() {
        guard hasWritten, !isReading else { return }
        hasWritten = false
        context?.flush()
    }

    /// Ends the connection, and with it all calls.
    func close() {
        let context = context
        lose("the connection was closed here")
        context?.close(promise: nil)
    }

    private func write(_ payload: HTTP2Frame.FramePayload, _ stream: HTTP2StreamID) {
        hasWritten = true
        context?.write(
            wrapOutboundOut(HTTP2Frame(streamID: stream, payload: payload)), promise: nil)
    }

    // MARK: The connection

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        isOpen = true
        credit(Self.windowBytes - Self.firstWindowBytes, to: .rootStream)
        flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        lose("the connection ended")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An error of one call ends with that call, which is told apart.
        if error is NIOHTTP2Errors.StreamError { return }
        lose("\(error)")
        context.close(promise: nil)
    }

    private func lose(_ why: String) {
        isOpen = false
        let lost = calls.sorted { $0.key < $1.key }
        calls = [:]
        for (_, call) in lost { call.caller.ended(RPCError(code: .unavailable, message: why)) }
    }

    // MARK: Answers

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let frame = unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let headers): received(headers, frame.streamID)
        case .data(let data): received(data, frame.streamID)
        // Calls that were made before are answered.
        case .goAway: isOpen = false
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        let touched = touched
        self.touched.removeAll(keepingCapacity: true)
        for stream in touched { calls[stream]?.caller.turnEnded() }
        isReading = false
        flush()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let closed = event as? StreamClosedEvent, let reason = closed.reason else { return }
        let code: RPCError.Code = reason == .refusedStream ? .unavailable : .internalError
        end(closed.streamID, RPCError(code: code, message: "the call was reset: \(reason)"))
    }

    private func received(
        _ headers: HTTP2Frame.FramePayload.Headers, _ stream: HTTP2StreamID
    ) {
        guard headers.endStream else { return }
        end(stream, Self.status(headers.headers))
    }

    private func received(_ data: HTTP2Frame.FramePayload.Data, _ stream: HTTP2StreamID) {
        guard case .byteBuffer(var bytes) = data.data else { return }
        let count = bytes.readableBytes + (data.paddingBytes.map { $0 + 1 } ?? 0)
        taken += count
        if taken > Self.windowBytes / 2 { credit(exchange(&taken, with: 0), to: .rootStream) }
        guard let call = calls[stream] else { return }
        calls[stream]?.taken += count
        if call.partial.readableBytes > 0 {
            var whole = call.partial
            whole.writeBuffer(&bytes)
            bytes = whole
        }
        while let message = Self.message(from: &bytes) { call.caller.received(message) }
        calls[stream]?.partial = bytes
        if data.endStream {
            end(stream, RPCError(code: .unknown, message: "the call ended without a status"))
            return
        }
        if let taken = calls[stream]?.taken, taken > Self.windowBytes / 2 {
            calls[stream]?.taken = 0
            credit(taken, to: stream)
        }
        if touched.last != stream { touched.append(stream) }
    }

    private func end(_ stream: HTTP2StreamID, _ error: RPCError?) {
        calls.removeValue(forKey: stream)?.caller.ended(error)
    }

    private func credit(_ count: Int, to stream: HTTP2StreamID) {
        write(.windowUpdate(windowSizeIncrement: count), stream)
    }

    /// Takes out the first message, where it is whole.
    static func message(from bytes: inout ByteBuffer) -> ByteBuffer? {
        guard
            let length = bytes.getInteger(at: bytes.readerIndex + 1, as: UInt32.self),
            bytes.readableBytes >= prefixBytes + Int(length)
        else { return nil }
        bytes.moveReaderIndex(forwardBy: prefixBytes)
        return bytes.readSlice(length: Int(length))
    }

    /// What the headers that end a call say; nil for OK.
    static func status(_ trailers: HPACKHeaders) -> RPCError? {
        guard let text = trailers.first(name: "grpc-status"), let number = Int(text),
            let status = Status.Code(rawValue: number)
        else {
            let http = trailers.first(name: ":status") ?? "none"
            return RPCError(
                code: .unknown, message: "the call ended without a status (HTTP status \(http))")
        }
        guard let code = RPCError.Code(status) else { return nil }
        var metadata = Metadata()
        let details = "grpc-status-details-bin"
        for value in trailers[details] { metadata.addString(value, forKey: details) }
        return RPCError(
            code: code, message: trailers.first(name: "grpc-message") ?? "", metadata: metadata)
    }
}
