package import NIOCore
import NIOHPACK
import NIOHTTP2

/// Serves the direct calls of one connection, on its event loop.
package struct DirectService {
    let unary: (DirectCall) -> Void
    let stream: (DirectStream) -> Void

    package init(
        unary: @escaping (DirectCall) -> Void = { _ in },
        stream: @escaping (DirectStream) -> Void
    ) {
        self.unary = unary
        self.stream = stream
    }
}

/// A call that is served without the gRPC library, as its channel sees it.
protocol DirectRequest: AnyObject {
    /// Nobody needs an answer any more.
    func cancel()
    /// The port closes, and waits for the call's end.
    func portCloses()
}

/// A unary call that is answered on its own channel, without the gRPC library: its whole request, and the way back.
///
/// Belongs to one event loop, like the call's channel. It may be kept anywhere, and is used there alone.
package final class DirectCall: DirectRequest, @unchecked Sendable {
    // What changes is touched on the event loop alone.

    /// The request's message, or an `EdgeMarker` in its place.
    package let message: [UInt8]
    /// `grpc-timeout`, of the protocol's form; nil where the caller waits for as long as it takes.
    package let timeout: String?
    /// When the request was there, see `LoopClock`.
    package let arrival: UInt64
    /// By what its lines in the log are found; nil where that is not kept.
    package let context: CallContext?
    /// Nil once the call has ended.
    private var channel: CallGuard?
    private var isCancelled = false
    private var onCancel: (() -> Void)?

    private static let headers = HTTP2Frame.FramePayload.headers(
        .init(headers: [":status": "200", "content-type": "application/grpc"]))
    private static let trailers = HTTP2Frame.FramePayload.Headers(
        headers: ["grpc-status": "0"], endStream: true)

    fileprivate init(_ head: RequestHead, message: [UInt8], channel: CallGuard) {
        self.message = message
        timeout = head.timeout
        arrival = head.arrival
        context = head.context
        self.channel = channel
    }

    /// Ends the call with a message; nothing is sent where it has ended already.
    ///
    /// - Parameter message: with its prefix of five bytes.
    package func answer(_ message: ByteBuffer) {
        end()?.send([Self.headers, .data(.init(data: .byteBuffer(message)))], Self.trailers)
    }

    /// Ends the call with an error; nothing is sent where it has ended already.
    package func fail(_ status: RefusalStatus) {
        end()?.send([], .init(headers: status.trailers(isFirst: true), endStream: true))
    }

    /// Has `action` done once, when nobody waits for an answer any more: at once, where that is so already.
    package func whenCancelled(_ action: @escaping () -> Void) {
        if isCancelled { action() } else if channel != nil { onCancel = action }
    }

    /// Nobody needs an answer any more; one that comes is sent where it still can be.
    func cancel() {
        isCancelled = true
        onCancel?()
        onCancel = nil
    }

    func portCloses() { cancel() }

    /// The channel, for the last time.
    private func end() -> CallGuard? {
        onCancel = nil
        channel?.endDirect()
        defer { channel = nil }
        return channel
    }
}

extension CallGuard {
    static let prefixBytes = 5

    /// Hands a whole request to the service, or the end of a stream.
    ///
    /// - Parameter message: with its prefix; empty where a stream ends without another one.
    func serve(_ head: RequestHead, _ message: ByteBuffer) {
        guard !head.shape.isStreaming else {
            if message.readableBytes > 0 { directStream?.received(message) }
            directStream?.requestEnded()
            return
        }
        guard let service = connection.directService() else { return }
        let bytes = Array(message.readableBytesView.dropFirst(Self.prefixBytes))
        let call = DirectCall(head, message: bytes, channel: self)
        direct = call
        service.unary(call)
    }
}
