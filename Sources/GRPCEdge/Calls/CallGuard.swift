import EventLoopTasks
import NIOCore
import NIOHPACK
import NIOHTTP2

/// Stands in front of the gRPC library in the pipeline of every call.
///
/// It hands on what the library can take: few and checked headers, whole messages within their bound, an end. Anything
/// else is answered here, for that call alone. And it is the last to see a call closed: none ends without a status,
/// which callers would have to take for an unknown outcome.
///
/// Belongs to one event loop, like its channel.
final class CallGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private enum Phase {
        /// No headers yet.
        case waiting
        case open(CallShape, MessageFraming)
        /// The library has all that it will get; what the caller still sends is dropped.
        case ended(CallShape)
        /// Answered here; what the library says is dropped as well.
        case refused
        /// Not gRPC, the library's alone.
        case foreign

        var shape: CallShape? {
            switch self {
            case .open(let shape, _), .ended(let shape): shape
            case .waiting, .refused, .foreign: nil
            }
        }
    }

    /// So many messages the library may have taken from here and not yet given to the service: its buffer holds ten.
    private static let bufferedMessages = 11
    /// A caller that was answered and goes on sending is left so long to notice.
    private static let lingering = TimeAmount.seconds(1)

    /// The number of the call's stream in its connection.
    let stream: UInt32
    let table: ConnectionTable
    let connection: ConnectionGuard
    private(set) var context: ChannelHandlerContext?
    private var phase = Phase.waiting
    private var messageCount = 0
    /// The message of a unary call, until it is known to be the only one.
    private var single = ByteBuffer()
    /// Whether the library knows of the call.
    private var isHandedOn = false
    /// The head of a call that is served without the library.
    private(set) var directHead: RequestHead?
    /// The same call until it ends: a unary one once its request is whole.
    var direct: (any DirectRequest)?
    /// The same where it is a stream.
    var directStream: DirectStream?
    /// Whether the channel would have read on.
    var isReadHeldBack = false
    var measure = CallMeasure()
    private var hasSentHeaders = false
    private var hasSentEnd = false
    /// Whether the library was told that the request is whole.
    private var isEndHandedOn = false
    private var hasReceivedEnd = false

    /// Sizes of the messages that were handed on last, see `bufferedMessages`.
    private var buffered: [Int] = []
    private var held = 0
    /// Since when a request is awaited whose beginning, or whose headers, are there.
    private var incompleteSince: NIODeadline?
    private var answeredAt: NIODeadline?

    init(stream: UInt32, table: ConnectionTable, connection: ConnectionGuard) {
        self.stream = stream
        self.table = table
        self.connection = connection
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        incompleteSince = .now()
        connection.opened(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        account(for: 0)
        direct?.cancel()
        connection.closed(self)
        measure.cancelled(table.configuration)
    }

    /// Looks whether something takes too long.
    func sweep(at now: NIODeadline) {
        guard let context else { return }
        if let since = incompleteSince, now - since > table.requestTimeout {
            failOutsideOfReading(.requestTimeout, context)
        }
        if let answeredAt, now - answeredAt > Self.lingering {
            self.answeredAt = nil
            context.close(promise: nil)
        }
    }

    /// The caller has reset the call.
    func cancel() {
        guard let context else { return }
        // Nothing is said any more.
        hasSentEnd = true
        phase = .refused
        account(for: 0)
        if isHandedOn { context.fireErrorCaught(RefusedCall(refusal: .cutOff)) }
        direct?.cancel()
        context.close(promise: nil)
    }

    /// The connection is to be closed soon.
    func endForAge() {
        guard let context, !hasSentEnd else { return }
        failOutsideOfReading(.connectionAged, context)
    }

    /// What is handed on is given to the service only when a turn of reading is over.
    private func failOutsideOfReading(_ refusal: Refusal, _ context: ChannelHandlerContext) {
        fail(refusal, context)
        context.fireChannelReadComplete()
    }

    // MARK: From the caller

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let payload = unwrapInboundIn(data)
        switch (payload, phase) {
        case (_, .foreign):
            noteEnd(of: payload)
            context.fireChannelRead(data)
        case (.headers(let headers), .waiting):
            begin(headers, context)
        case (.headers(let headers), .open(let shape, let framing)):
            // Trailers end a request; nobody sends any, but HTTP/2 has them.
            if headers.endStream {
                take(ByteBuffer(), endStream: true, shape, framing, context)
            } else {
                fail(.repeatedHeaders, context)
            }
        case (.data(let frame), .open(let shape, let framing)):
            guard case .byteBuffer(let bytes) = frame.data else { return }
            take(bytes, endStream: frame.endStream, shape, framing, context)
        case (.headers, .ended), (.headers, .refused), (.data, .ended), (.data, .refused),
            (.data, .waiting):
            noteEnd(of: payload)
        default:
            context.fireChannelRead(data)
        }
    }

    private func begin(
        _ frame: HTTP2Frame.FramePayload.Headers, _ context: ChannelHandlerContext
    ) {
        hasReceivedEnd = frame.endStream
        measure.begin(frame.headers, at: Reactor.arrival, table.configuration)
        let verdict = RequestHead.check(
            frame.headers, arrival: Reactor.arrival, context: measure.context, table.configuration)
        switch verdict {
        case .foreign:
            phase = .foreign
            incompleteSince = nil
            context.fireChannelRead(wrapInboundOut(.headers(frame)))
        case .refused(let refusal, let shape):
            refuse(refusal, of: shape, context)
        case .accepted(let head) where table.isFull:
            refuse(.calls, of: head.shape, context)
        case .accepted(let head):
            let shape = head.shape
            phase = .open(
                shape,
                MessageFraming(
                    maxBytes: shape.maxMessageBytes,
                    maxSkippedBytes: shape.takesMarkers ? table.limits.maxSkippedBytes : 0,
                    isCompressionAllowed: head.isCompressed))
            if frame.endStream, !shape.isStreaming { return refuse(.missingMessage, context) }
            if table.configuration.direct?.serves(head.path) ?? false {
                directHead = head
                guard shape.isStreaming else { return }
                incompleteSince = nil
                open(head)
                if frame.endStream { end(with: ByteBuffer(), shape, context) }
                return
            }
            isHandedOn = true
            let headers = head.handedOn(table.configuration)
            context.fireChannelRead(wrapInboundOut(.headers(.init(headers: headers))))
            if shape.isStreaming { incompleteSince = nil }
            // The library waits for ever where the headers alone end the request.
            if frame.endStream { end(with: ByteBuffer(), shape, context) }
        }
    }

    private func take(
        _ bytes: ByteBuffer, endStream: Bool, _ shape: CallShape, _ framing: MessageFraming,
        _ context: ChannelHandlerContext
    ) {
        hasReceivedEnd = endStream
        var framing = framing
        // One owner while bytes are added.
        phase = .ended(shape)
        var input = bytes
        var ready: ByteBuffer?
        while let piece = framing.next(from: &input) {
            if let message = ready { handOn(message, of: shape, context) }
            switch piece {
            case .message(let message):
                ready = message
            case .oversized(let length, let start):
                ready =
                    EdgeMarker.oversized(length: length, start: Array(start.readableBytesView))
                    .framed
                table.statistics.count(.messageTooLarge)
            case .broken(let refusal):
                return fail(refusal, context)
            }
            messageCount += 1
            if messageCount > 1, !shape.isStreaming { return fail(.extraMessage, context) }
        }
        if !endStream {
            phase = .open(shape, framing)
            if let ready { handOn(ready, of: shape, context) }
            if case .refused = phase { return }
            noteProgress(framing, shape)
            let bytes = framing.heldBytes + single.readableBytes + bufferedBytes
            if !account(for: bytes) { outOfBytes(context) }
            return
        }
        if framing.isInMessage {
            if let ready { handOn(ready, of: shape, context) }
            return fail(.incompleteMessage, context)
        }
        if messageCount == 0, !shape.isStreaming { return fail(.missingMessage, context) }
        incompleteSince = nil
        end(with: ready ?? single, shape, context)
    }

    /// Hands the last message on, and the end.
    private func end(
        with message: ByteBuffer, _ shape: CallShape, _ context: ChannelHandlerContext
    ) {
        phase = .ended(shape)
        isEndHandedOn = true
        remember(message)
        account(for: bufferedBytes)
        if let directHead { return serve(directHead, message) }
        context.fireChannelRead(
            wrapInboundOut(.data(.init(data: .byteBuffer(message), endStream: true))))
    }

    private func handOn(
        _ message: ByteBuffer, of shape: CallShape, _ context: ChannelHandlerContext
    ) {
        guard shape.isStreaming else {
            single = message
            return
        }
        remember(message)
        if let directStream { return directStream.received(message) }
        guard directHead == nil else { return }
        context.fireChannelRead(wrapInboundOut(.data(.init(data: .byteBuffer(message)))))
    }

    private func noteProgress(_ framing: MessageFraming, _ shape: CallShape) {
        if framing.isInMessage || !shape.isStreaming {
            if incompleteSince == nil { incompleteSince = .now() }
        } else {
            incompleteSince = nil
        }
    }

    private func noteEnd(of payload: HTTP2Frame.FramePayload) {
        switch payload {
        case .headers(let frame) where frame.endStream: hasReceivedEnd = true
        case .data(let frame) where frame.endStream: hasReceivedEnd = true
        default: return
        }
        answeredAt = nil
    }

    // MARK: Bytes that are held

    private var bufferedBytes: Int { buffered.reduce(0, +) }

    private func remember(_ message: ByteBuffer) {
        buffered.append(message.readableBytes)
        if buffered.count > Self.bufferedMessages { buffered.removeFirst() }
    }

    /// - Returns: false where that is more than may be held.
    @discardableResult
    private func account(for bytes: Int) -> Bool {
        guard connection.hold(bytes - held) else { return false }
        held = bytes
        return true
    }

    private func outOfBytes(_ context: ChannelHandlerContext) {
        let isConnectionFull = connection.bytes.used * 2 > connection.bytes.limit
        fail(isConnectionFull ? .connectionBytes : .requestBytes, context)
    }

    // MARK: Ending it here

    /// Lets the service say what is wrong where it can, so that the answers before it stand; else says it.
    private func fail(_ refusal: Refusal, _ context: ChannelHandlerContext) {
        guard let shape = phase.shape, shape.takesMarkers else { return refuse(refusal, context) }
        // The service has the whole request and may have sealed it: nothing certain can be said here.
        if isEndHandedOn { return refuse(.cutOff, context) }
        table.statistics.count(refusal)
        incompleteSince = nil
        end(with: EdgeMarker.broken(refusal).framed, shape, context)
    }

    private func refuse(
        _ refusal: Refusal, of shape: CallShape? = nil, _ context: ChannelHandlerContext
    ) {
        let shape = shape ?? phase.shape
        table.statistics.count(refusal)
        phase = .refused
        incompleteSince = nil
        account(for: 0)
        sendStatus(refusal, shape, context)
        if !hasReceivedEnd { answeredAt = .now() }
        if isHandedOn { context.fireErrorCaught(RefusedCall(refusal: refusal)) }
        direct?.cancel()
    }

    private func sendStatus(
        _ refusal: Refusal, _ shape: CallShape?, _ context: ChannelHandlerContext
    ) {
        guard !hasSentEnd else { return }
        var trailers = table.configuration.status(refusal, shape)
            .trailers(isFirst: !hasSentHeaders)
        if refusal == .unknownEncoding {
            trailers.add(name: "grpc-accept-encoding", value: RequestHead.acceptedEncodings)
        }
        hasSentEnd = true
        measure.end(trailers, table.configuration)
        context.writeAndFlush(
            wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
    }

    // MARK: From the library

    func write(
        context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
    ) {
        if case .refused = phase {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        if case .headers(let frame) = unwrapOutboundIn(data) { noteSent(frame) }
        context.write(data, promise: promise)
    }

    private func noteSent(_ frame: HTTP2Frame.FramePayload.Headers) {
        hasSentHeaders = true
        guard frame.endStream else { return }
        hasSentEnd = true
        measure.end(frame.headers, table.configuration)
        if !hasReceivedEnd { answeredAt = .now() }
    }

    /// Sends what a direct call is answered with; nothing where the call has ended.
    ///
    /// - Parameter end: the headers that end the call, where this is its end.
    func send(_ payloads: [HTTP2Frame.FramePayload], _ end: HTTP2Frame.FramePayload.Headers?) {
        guard let context, !hasSentEnd else { return }
        hasSentHeaders = true
        for payload in payloads { context.write(wrapOutboundOut(payload), promise: nil) }
        if let end {
            noteSent(end)
            incompleteSince = nil
            if case .open(let shape, _) = phase { phase = .ended(shape) }
            context.write(wrapOutboundOut(.headers(end)), promise: nil)
        }
        context.flush()
    }

    func close(
        context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?
    ) {
        if !hasSentEnd, context.channel.isActive {
            table.statistics.count(.cutOff)
            sendStatus(.cutOff, phase.shape, context)
        }
        context.close(mode: mode, promise: promise)
    }
}
