import NIOCore
import NIOHTTP2

/// Bounds one connection: its bytes, its age, and how long it may say nothing.
///
/// It stands behind the HTTP/2 handler and thus sees the connection's own frames, not those of its calls. Belongs to
/// one event loop, like its channel.
final class ConnectionGuard: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    let bytes: ByteBudget
    private let table: ConnectionTable
    private let socket: SocketHandle
    private let acceptedAt = NIODeadline.now()
    private var context: ChannelHandlerContext?
    private var calls: [UInt32: CallGuard] = [:]
    private var direct: DirectService?
    /// The highest number of a call that was ever opened.
    private var lastStream: UInt32 = 0
    /// Resets in the present window, and when it began.
    private var resets = 0
    private var resetsSince = NIODeadline.now()
    private var isSpeakingHTTP2 = false
    private var isStopping = false
    /// Since when no call is open; nil while one is.
    private(set) var idleSince: NIODeadline? = .now()

    /// Resets are counted for so long.
    private static let resetWindow = TimeAmount.seconds(30)
    /// At a stop a peer without a call has so long to acknowledge that it may go: then none of its calls is lost.
    private static let farewell = TimeAmount.milliseconds(300)
    /// After the grace of its age a connection's last answers have so long to leave.
    private static let lastAnswers = TimeAmount.seconds(5)

    init(table: ConnectionTable, socket: SocketHandle) {
        self.table = table
        self.socket = socket
        bytes = ByteBudget(limit: table.limits.maxConnectionBytes)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { greet(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        greet(context)
        context.fireChannelActive()
    }

    /// Says what a call may have and how many there may be. The first settings are the library's.
    ///
    /// A call with more headers than it may have is to be told so, not to take the whole connection with it: the
    /// HTTP/2 handler must read them. How many calls there may be stands in a frame of its own, for it counts only
    /// when the peer knows of it (`FrameFilter`).
    private func greet(_ context: ChannelHandlerContext) {
        for setting in [
            HTTP2Setting(parameter: .maxHeaderListSize, value: table.limits.maxHeaderListBytes),
            HTTP2Setting(parameter: .maxConcurrentStreams, value: table.limits.maxConcurrentCalls),
        ] {
            context.write(
                wrapOutboundOut(
                    HTTP2Frame(streamID: .rootStream, payload: .settings(.settings([setting])))),
                promise: nil)
        }
        context.flush()
    }

    /// The settings frames that are in force before the peer has acknowledged them: the library's, and the first
    /// of `greet`.
    static let settingsAtOnce = 2

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isSpeakingHTTP2 = true
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            isStopping = true
            endIfIdle()
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Calls

    func opened(_ call: CallGuard) {
        calls[call.stream] = call
        lastStream = max(lastStream, call.stream)
        idleSince = nil
        isSpeakingHTTP2 = true
        table.callOpened()
    }

    func closed(_ call: CallGuard) {
        guard calls[call.stream] === call else { return }
        calls[call.stream] = nil
        table.callClosed()
        guard calls.isEmpty else { return }
        idleSince = .now()
        if isStopping { endIfIdle() }
    }

    /// Who serves this connection's direct calls.
    func directService() -> DirectService? {
        if direct == nil, let channel = context?.channel {
            direct = table.configuration.direct?.service(channel)
        }
        return direct
    }

    /// The headers that direct streams are handed.
    var furtherHeaders: Set<String> { table.configuration.furtherHeaders }

    /// The caller has reset a call: it wants no answer.
    ///
    /// - Returns: false where no such call was ever opened.
    func reset(_ stream: UInt32) -> Bool {
        guard stream > 0, stream <= lastStream else { return false }
        let now = NIODeadline.now()
        if now - resetsSince > Self.resetWindow {
            resetsSince = now
            resets = 0
        }
        resets += 1
        if resets > table.limits.maxResets {
            table.statistics.count(.resets)
            end()
        } else {
            calls[stream]?.cancel()
        }
        return true
    }

    /// Takes bytes, or gives them back where `count` is negative.
    ///
    /// - Returns: false where the connection, or all together, would hold too much.
    func hold(_ count: Int) -> Bool {
        guard count > 0 else {
            bytes.giveBack(-count)
            table.giveBack(-count)
            return true
        }
        guard bytes.take(count) else { return false }
        guard table.take(count) else {
            bytes.giveBack(count)
            return false
        }
        return true
    }

    // MARK: Ending

    /// Looks whether something takes too long.
    func sweep(at now: NIODeadline) {
        if !isSpeakingHTTP2, now - acceptedAt > table.requestTimeout { return end() }
        for call in calls.values { call.sweep(at: now) }
        guard let maxAge = table.maxAge else { return }
        let overdue = now - acceptedAt - maxAge - table.ageGrace
        guard overdue > .zero else { return }
        if calls.isEmpty || overdue > Self.lastAnswers { return end() }
        for call in calls.values { call.endForAge() }
    }

    /// The port waits no longer for the streams that are served directly.
    func endStreams() {
        for call in calls.values { call.directStream?.portEnds() }
    }

    /// Closes the socket itself: TLS would wait for the peer's word.
    func end() {
        socket.close()
    }

    /// At a stop: nothing holds up a peer without a call, and so it may hold up nothing.
    private func endIfIdle() {
        guard let context, calls.isEmpty else { return }
        guard isSpeakingHTTP2 else { return end() }
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.farewell) {
            if self.calls.isEmpty { self.end() }
        }
    }
}

/// The place in a connection's pipeline next to its socket.
final class SocketHandle: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Closes the socket without asking the handlers behind this one.
    func close() {
        context?.close(promise: nil)
    }
}
