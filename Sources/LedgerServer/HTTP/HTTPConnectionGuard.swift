import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Keeps one connection within its bounds: it has its place in the table, its answers are read in time, and it ends
/// after an answer that says so.
///
/// The library closes a connection that is without a whole request for too long; while it answers one, it waits for the
/// caller to read for ever.
final class HTTPConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    // Everything is touched on the channel's event loop alone.

    private let table: HTTPConnections
    private let answerTimeout: TimeAmount
    /// Requests that are not answered yet.
    private var open = 0
    private var endsAfterAnswer = false
    private var alarm: Scheduled<Void>?

    init(table: HTTPConnections, answerTimeout: TimeAmount) {
        self.table = table
        self.answerTimeout = answerTimeout
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if table.admit(context.channel) { return }
        // Not at once: the library is still setting the channel up.
        let channel = context.channel
        context.eventLoop.execute { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        alarm?.cancel()
        table.closed(context.channel)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        alarm?.cancel()
        table.closed(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head = unwrapInboundIn(data) {
            open += 1
            if open == 1 { begin(context.channel) }
        }
        context.fireChannelRead(data)
    }

    func write(
        context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
    ) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            if head.headerFields[.connection] == "close" { endsAfterAnswer = true }
            context.write(data, promise: promise)
        case .body: context.write(data, promise: promise)
        case .end: end(context, data, promise)
        }
    }

    private func begin(_ channel: any Channel) {
        table.setBusy(channel, true)
        alarm?.cancel()
        alarm = channel.eventLoop.scheduleTask(in: answerTimeout) { channel.close(promise: nil) }
    }

    /// An answer counts as read when the system has taken its last byte.
    private func end(
        _ context: ChannelHandlerContext, _ data: NIOAny, _ promise: EventLoopPromise<Void>?
    ) {
        let written = promise ?? context.eventLoop.makePromise()
        let this = NIOLoopBound(self, eventLoop: context.eventLoop)
        let channel = context.channel
        written.futureResult.whenComplete { _ in this.value.answered(channel) }
        if endsAfterAnswer {
            context.writeAndFlush(data, promise: written)
        } else {
            context.write(data, promise: written)
        }
    }

    private func answered(_ channel: any Channel) {
        open -= 1
        if endsAfterAnswer {
            channel.close(promise: nil)
        } else if open > 0 {
            begin(channel)
        } else {
            alarm?.cancel()
            table.setBusy(channel, false)
        }
    }
}
