import EventLoopTasks
import GRPCCore
import GRPCEdge
import LedgerAPI
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix
import NIOSSL

/// Who made the call of a `ForwardConnection`. Told on the event loop, and nothing after the end.
protocol ForwardCaller: AnyObject, Sendable {
    /// The call is open: messages can be sent.
    func opened(_ connection: ForwardConnection)
    /// A message, without its prefix.
    func received(_ message: ByteBuffer)
    /// All that had come when the connection was read was handed over.
    func turnEnded()
    /// Bytes have left that were held back before.
    func becameWritable()
    /// The call, and with it the connection, has ended.
    func ended(_ why: String)
}

/// One connection to the internal port of the replica that seals, with one call over it: the gRPC protocol over HTTP/2
/// without a gRPC library, so that what is sent together costs one write, and what comes together one turn.
///
/// Belongs to the reactor's event loop.
final class ForwardConnection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// Where the connection leads, and what is shown and asked for there.
    struct Target: Sendable {
        var address: HostPort
        /// Nil for plaintext.
        var tls: NIOSSLContext?
        /// The name that the peer's certificate must carry; nil without TLS.
        var peerName: String?
        /// The longest message that is taken, in bytes.
        var maxMessageBytes: Int
    }

    /// How much the peer may send before it is told that this was taken: of the call, and of the connection.
    private static let windowBytes = 1 << 20
    /// The window that every connection begins with (RFC 9113, section 6.9.2).
    private static let firstWindowBytes = 65_535
    /// More bytes than this are not given to the connection before some have left.
    private static let unsentBytes = 256 << 10
    /// After so long without a byte the peer is asked whether it lives, and it has so long to answer.
    private static let quietTime = TimeAmount.seconds(10)
    private static let pingPatience = TimeAmount.seconds(2)
    private static let stream = HTTP2StreamID(1)

    private let target: Target
    private var caller: (any ForwardCaller)?
    private var context: ChannelHandlerContext?
    private var framing: MessageFraming
    /// Bytes that the peer is not told yet that they were taken.
    private var taken = 0
    private var unsent = 0
    private var lastRead = NIODeadline.now()
    private var alarm: Scheduled<Void>?
    private var isActive = false
    private var isReading = false
    private var hasWritten = false

    private init(_ target: Target, _ caller: any ForwardCaller) {
        self.target = target
        self.caller = caller
        framing = MessageFraming(
            maxBytes: target.maxMessageBytes, maxSkippedBytes: 0, isCompressionAllowed: false)
    }

    /// Connects, and begins the call; to be called on the event loop.
    ///
    /// - Returns: the channel, for which `caller` is told what comes of it once it is there.
    static func connect(
        _ target: Target, _ caller: any ForwardCaller
    ) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: Reactor.group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls = target.tls {
                        // An address is no server name: the certificate is then compared with the peer's own.
                        let name = target.peerName.flatMap {
                            HostName.isAddress($0) ? nil : $0
                        }
                        try pipeline.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: name))
                    }
                    var configuration = NIOHTTP2Handler.ConnectionConfiguration()
                    configuration.initialSettings = [
                        HTTP2Setting(parameter: .enablePush, value: 0),
                        HTTP2Setting(parameter: .initialWindowSize, value: windowBytes),
                    ]
                    try pipeline.addHandler(
                        NIOHTTP2Handler(mode: .client, connectionConfiguration: configuration))
                    try pipeline.addHandler(ForwardConnection(target, caller))
                }
            }
            .connect(host: target.address.host, port: target.address.port)
    }

    // MARK: Sending

    /// Whether more can be sent now; else `becameWritable` tells when.
    var isWritable: Bool { unsent < Self.unsentBytes }

    /// Sends messages, each with its prefix.
    func send(_ messages: ByteBuffer) {
        guard let context, caller != nil else { return }
        let count = messages.readableBytes
        unsent += count
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { _ in
            let wasWritable = self.isWritable
            self.unsent -= count
            if !wasWritable, self.isWritable { self.caller?.becameWritable() }
        }
        write(.data(.init(data: .byteBuffer(messages))), Self.stream, sent)
        flush()
    }

    /// Ends the connection.
    func close() { end("the connection was closed here") }

    private var head: HPACKHeaders {
        let method = Ledger_Internal_Forwarding.Method.Forward.descriptor
        return [
            ":method": "POST", ":scheme": target.tls == nil ? "http" : "https",
            ":path": "/\(method.fullyQualifiedMethod)",
            ":authority": target.peerName ?? target.address.text, "te": "trailers",
            "content-type": "application/grpc",
        ]
    }

    private func write(
        _ payload: HTTP2Frame.FramePayload, _ stream: HTTP2StreamID,
        _ promise: EventLoopPromise<Void>? = nil
    ) {
        hasWritten = true
        context?.write(
            wrapOutboundOut(HTTP2Frame(streamID: stream, payload: payload)), promise: promise)
    }

    /// Sends what was written; at the end of a turn of reading, while one goes on.
    private func flush() {
        guard hasWritten, !isReading else { return }
        hasWritten = false
        context?.flush()
    }

    // MARK: The connection

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        // Why it could not be made is told elsewhere.
        if isActive { end("the connection ended") }
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        isActive = true
        write(
            .windowUpdate(windowSizeIncrement: Self.windowBytes - Self.firstWindowBytes),
            .rootStream)
        write(.headers(.init(headers: head)), Self.stream)
        flush()
        lastRead = .now()
        watch()
        caller?.opened(self)
    }

    func channelInactive(context: ChannelHandlerContext) { end("the connection ended") }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end("\(error)") }

    private func end(_ why: String) {
        guard let caller else { return }
        self.caller = nil
        alarm?.cancel()
        context?.close(promise: nil)
        caller.ended(why)
    }

    /// A peer whose machine is gone says nothing any more.
    private func watch() {
        guard caller != nil else { return }
        alarm = context?.eventLoop.assumeIsolated().scheduleTask(
            deadline: lastRead + Self.quietTime
        ) {
            let asked = NIODeadline.now()
            guard asked - self.lastRead >= Self.quietTime else { return self.watch() }
            self.write(.ping(HTTP2PingData(withInteger: 0), ack: false), .rootStream)
            self.flush()
            self.alarm = self.context?.eventLoop.assumeIsolated().scheduleTask(
                in: Self.pingPatience
            ) {
                if self.lastRead < asked { self.end("the peer does not answer any more") }
                self.watch()
            }
        }
    }

    // MARK: Receiving

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let frame = unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let headers) where frame.streamID == Self.stream: received(headers)
        case .data(let data) where frame.streamID == Self.stream: received(data)
        // The call that was made before is served on.
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        lastRead = .now()
        caller?.turnEnded()
        isReading = false
        flush()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let closed = event as? StreamClosedEvent, let reason = closed.reason {
            end("the call was reset: \(reason)")
        }
    }

    private func received(_ headers: HTTP2Frame.FramePayload.Headers) {
        if headers.endStream { return end(Self.ending(headers.headers)) }
        guard headers.headers.first(name: ":status") == "200" else {
            return end(Self.ending(headers.headers))
        }
    }

    private func received(_ data: HTTP2Frame.FramePayload.Data) {
        guard case .byteBuffer(var bytes) = data.data else { return }
        taken += bytes.readableBytes + (data.paddingBytes.map { $0 + 1 } ?? 0)
        if taken > Self.windowBytes / 2 {
            for stream in [.rootStream, Self.stream] {
                write(.windowUpdate(windowSizeIncrement: taken), stream)
            }
            taken = 0
        }
        while caller != nil, let piece = framing.next(from: &bytes) {
            guard case .message(var message) = piece else {
                return end("the peer's bytes are no gRPC message, or one that is too long")
            }
            message.moveReaderIndex(forwardBy: MessageFraming.prefixBytes)
            caller?.received(message)
        }
        if data.endStream { end("the call ended without a status") }
    }

    /// What the headers that end a call say.
    private static func ending(_ trailers: HPACKHeaders) -> String {
        guard let text = trailers.first(name: "grpc-status"), let number = Int(text),
            let status = Status.Code(rawValue: number)
        else {
            let http = trailers.first(name: ":status") ?? "none"
            return "the call ended without a status (HTTP status \(http))"
        }
        guard status != .ok else { return "the sealer ended the stream" }
        return "\(status): \(trailers.first(name: "grpc-message") ?? "")"
    }
}
