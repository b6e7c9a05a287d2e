import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Synchronization

@testable import GRPCEdge

/// One call's guard between a caller and a library that are both this test.
struct GuardBench {
    static let unary = "/test.Service/Unary"
    static let stream = "/test.Service/Stream"
    static let submission = "/test.Service/Submit"
    static let unarySubmission = "/test.Service/SubmitOne"

    let table: ConnectionTable
    let connection: ConnectionGuard
    let channel: EmbeddedChannel
    /// What is tested.
    let call: CallGuard

    /// How the call ended, once it has.
    let ends = CallEnds()

    /// The connection that the call belongs to.
    private let parent: EmbeddedChannel

    init(
        limits: EdgeLimits = EdgeLimits(), direct: EdgeConfiguration.Direct? = nil,
        keepsContext: Bool = false,
        callBegan: (@Sendable (CallBegin) -> (any CallRecorder)?)? = nil
    ) throws {
        channel = EmbeddedChannel()
        table = ConnectionTable(
            EdgeConfiguration(
                limits: limits,
                shapes: [
                    Self.unary: CallShape(maxMessageBytes: 100),
                    Self.stream: CallShape(isStreaming: true, maxMessageBytes: 100),
                    Self.unarySubmission: CallShape(
                        takesMarkers: true, isSubmission: true, maxMessageBytes: 100),
                    Self.submission: CallShape(
                        isStreaming: true, takesMarkers: true, isSubmission: true,
                        maxMessageBytes: 100),
                ],
                direct: direct, keepsContext: keepsContext, callBegan: callBegan,
                callEnded: { [ends] in ends.note($0) },
                acceptsTimeout: { $0 == "1S" },
                status: { refusal, _ in
                    RefusalStatus(code: 13, message: "\(refusal)", details: "AAAA")
                }), on: channel.eventLoop)
        connection = ConnectionGuard(table: table, socket: SocketHandle())
        parent = EmbeddedChannel(handler: connection)
        call = CallGuard(stream: 1, table: table, connection: connection)
        try channel.pipeline.syncOperations.addHandler(call)
        _ = try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    static func headers(
        _ path: String, _ further: [(String, String)] = [], method: String = "POST"
    ) -> HPACKHeaders {
        HPACKHeaders(
            [
                (":method", method), (":scheme", "http"), (":path", path), ("te", "trailers"),
                ("content-type", "application/grpc"),
            ] + further)
    }

    /// The caller sends headers.
    func send(_ headers: HPACKHeaders, endStream: Bool = false) throws {
        try channel.writeInbound(
            HTTP2Frame.FramePayload.headers(.init(headers: headers, endStream: endStream)))
    }

    /// The caller sends bytes.
    func send(_ bytes: [UInt8], endStream: Bool = false) throws {
        try channel.writeInbound(
            HTTP2Frame.FramePayload.data(
                .init(data: .byteBuffer(ByteBuffer(bytes: bytes)), endStream: endStream)))
    }

    /// The connection is gone, and the call's channel with it: nobody behind the guard has closed it.
    func loseConnection() {
        call.context?.close(promise: nil)
    }

    /// What the library was handed since it was asked last.
    func handedOn() throws -> [Handed] {
        try all { try channel.readInbound(as: HTTP2Frame.FramePayload.self) }
    }

    /// What the caller was sent since it was asked last.
    func sent() throws -> [Handed] {
        try all { try channel.readOutbound(as: HTTP2Frame.FramePayload.self) }
    }

    private func all(_ next: () throws -> HTTP2Frame.FramePayload?) throws -> [Handed] {
        var all: [Handed] = []
        while let payload = try next() {
            switch payload {
            case .headers(let frame): all.append(.headers(frame.headers, end: frame.endStream))
            case .data(let frame):
                guard case .byteBuffer(let bytes) = frame.data else { continue }
                all.append(.data(Array(bytes.readableBytesView), end: frame.endStream))
            default: break
            }
        }
        return all
    }

    /// The status that the caller was sent; nil for none.
    func status() throws -> HPACKHeaders? {
        while let payload = try channel.readOutbound(as: HTTP2Frame.FramePayload.self) {
            if case .headers(let frame) = payload, frame.endStream { return frame.headers }
        }
        return nil
    }

    enum Handed: Equatable {
        case headers(HPACKHeaders, end: Bool)
        case data([UInt8], end: Bool)
    }
}

/// What was told of calls that ended.
final class CallEnds: Sendable {
    private let ends = Mutex<[CallEnd]>([])

    var all: [CallEnd] { ends.withLock { $0 } }

    func note(_ end: CallEnd) { ends.withLock { $0.append(end) } }
}
