package import NIOCore
import NIOHPACK
import NIOHTTP2

/// What a service does with a direct stream. Everything is told on the event loop, and nothing after the stream's end.
package protocol DirectStreamHandler: AnyObject {
    /// A message, or an `EdgeMarker` in its place.
    func received(_ message: [UInt8])
    /// What has come together was handed over.
    func turnEnded()
    /// No further message will come.
    func requestEnded()
    /// More can be written.
    func becameWritable()
    /// The port closes: whom it waits for may give up.
    func portCloses()
    /// The port waits no longer.
    func portEnds()
    /// Nobody needs an answer any more, and none can be given.
    func cancelled()
}

/// A call with a stream of messages in both directions that is served on its own channel, without the gRPC library.
///
/// Belongs to one event loop, like the call's channel. It may be kept anywhere, and is used there alone.
package final class DirectStream: DirectRequest, @unchecked Sendable {
    // What changes is touched on the event loop alone.

    /// `grpc-timeout`, of the protocol's form; nil where the caller waits for as long as it takes.
    package let timeout: String?
    /// The `furtherHeaders` of the port that the caller has sent, the first of each name.
    package let furtherHeaders: [String: String]
    /// By what its lines in the log are found; nil where that is not kept.
    package let context: CallContext?
    /// Nil once the call has ended.
    private var channel: CallGuard?
    private var handler: (any DirectStreamHandler)?

    private static let headers = HTTP2Frame.FramePayload.headers(
        .init(headers: [":status": "200", "content-type": "application/grpc"]))
    private static let trailers = HTTP2Frame.FramePayload.Headers(
        headers: ["grpc-status": "0"], endStream: true)

    fileprivate init(_ head: RequestHead, _ further: Set<String>, channel: CallGuard) {
        timeout = head.timeout
        furtherHeaders = further.isEmpty ? [:] : head.further(further)
        context = head.context
        self.channel = channel
    }

    /// Takes the stream: the caller gets the headers of an answer.
    package func accept(_ handler: any DirectStreamHandler) {
        self.handler = handler
        channel?.send([Self.headers], nil)
    }

    /// Whether what is written leaves, as far as can be seen.
    package var isWritable: Bool { channel?.context?.channel.isWritable ?? false }

    /// Sends messages, each with its prefix.
    package func write(_ messages: ByteBuffer) {
        channel?.send([.data(.init(data: .byteBuffer(messages)))], nil)
    }

    /// Reads from the caller, or leaves what it sends where it is: then HTTP/2 lets it send no more than a window.
    package var isReading = true {
        didSet { if isReading, !oldValue { channel?.readAgain() } }
    }

    /// Ends the call with OK, or an error; nothing is sent where it has ended already.
    package func end(_ status: RefusalStatus? = nil) {
        guard let channel else { return }
        let isFirst = handler == nil
        release()
        channel.send(
            [],
            status.map { .init(headers: $0.trailers(isFirst: isFirst), endStream: true) }
                ?? Self.trailers)
        // What the caller still sends is read, and dropped.
        isReading = true
        channel.readAgain()
    }

    // MARK: From the channel

    func received(_ message: ByteBuffer) {
        handler?.received(Array(message.readableBytesView.dropFirst(CallGuard.prefixBytes)))
    }

    func turnEnded() { handler?.turnEnded() }

    func requestEnded() { handler?.requestEnded() }

    func becameWritable() { handler?.becameWritable() }

    func portCloses() { handler?.portCloses() }

    func portEnds() { handler?.portEnds() }

    func cancel() {
        let handler = handler
        release()
        handler?.cancelled()
    }

    private func release() {
        handler = nil
        channel?.endDirect()
        channel = nil
    }
}

extension CallGuard {
    /// Hands a stream to the service before its first message.
    func open(_ head: RequestHead) {
        guard let service = connection.directService() else { return }
        let stream = DirectStream(head, connection.furtherHeaders, channel: self)
        direct = stream
        directStream = stream
        service.stream(stream)
    }

    func endDirect() {
        direct = nil
        directStream = nil
    }

    // MARK: The channel

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // As the library does: whom the port waits for may give up.
        if event is ChannelShouldQuiesceEvent { direct?.portCloses() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        // Before anybody is told, who could take it for a failure and still answer with that, which reaches nobody.
        measure.cancelled(table.configuration)
        direct?.cancel()
        // The library has heard nothing of a direct call, and would take its end for a failure.
        if directHead == nil { context.fireChannelInactive() }
    }

    /// A stream whose service takes nothing more is not read.
    func read(context: ChannelHandlerContext) {
        if directStream?.isReading ?? true { context.read() } else { isReadHeldBack = true }
    }

    func readAgain() {
        guard isReadHeldBack, let context else { return }
        isReadHeldBack = false
        context.read()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        directStream?.turnEnded()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { directStream?.becameWritable() }
        context.fireChannelWritabilityChanged()
    }
}
