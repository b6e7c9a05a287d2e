import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import GRPCEdge

@Suite("A stream that is served without the library")
struct DirectStreamTests {
    /// What a service is told of a stream.
    private final class Reader: DirectStreamHandler {
        var messages: [[UInt8]] = []
        var told: [String] = []

        func received(_ message: [UInt8]) { messages.append(message) }
        func turnEnded() { told.append("turn") }
        func requestEnded() { told.append("end") }
        func becameWritable() { told.append("writable") }
        func portCloses() { told.append("closes") }
        func portEnds() { told.append("over") }
        func cancelled() { told.append("cancelled") }
    }

    /// Takes the streams of a connection, for the test to serve.
    private final class Desk: @unchecked Sendable {
        // Everything here runs on the test's own thread.
        var streams: [DirectStream] = []

        var direct: EdgeConfiguration.Direct {
            .init(
                unaryPath: GuardBench.unarySubmission, streamPath: GuardBench.submission
            ) { _ in
                DirectService(unary: { _ in }, stream: { self.streams.append($0) })
            }
        }
    }

    private let desk = Desk()
    private let reader = Reader()

    private func opened(accepts: Bool = true) throws -> (GuardBench, DirectStream) {
        let bench = try GuardBench(direct: desk.direct)
        try bench.send(GuardBench.headers(GuardBench.submission, [("grpc-timeout", "1S")]))
        let stream = try #require(desk.streams.last)
        if accepts { stream.accept(reader) }
        return (bench, stream)
    }

    private static let accepted = GuardBench.Handed.headers(
        [":status": "200", "content-type": "application/grpc"], end: false)

    @Test("the service has the stream before its first message, and the library hears of nothing")
    func opening() throws {
        let (bench, stream) = try opened()
        #expect(stream.timeout == "1S")
        #expect(try bench.sent() == [Self.accepted])
        try bench.send(Wire.message([1, 2]) + Wire.message([3]) + [0, 0])
        try bench.send([0, 0, 1, 4])
        try bench.send(Wire.message([]), endStream: true)
        #expect(reader.messages == [[1, 2], [3], [4], []])
        #expect(reader.told.filter { $0 == "end" } == ["end"])
        #expect(try bench.handedOn().isEmpty)
    }

    @Test("messages and the end are sent as the library sends them")
    func answered() throws {
        let (bench, stream) = try opened()
        stream.write(ByteBuffer(bytes: Wire.message([7])))
        stream.end()
        stream.write(ByteBuffer(bytes: Wire.message([8])))
        stream.end(RefusalStatus(code: 3, message: "late"))
        #expect(
            try bench.sent() == [
                Self.accepted, .data(Wire.message([7]), end: false),
                .headers(["grpc-status": "0"], end: true),
            ])
    }

    @Test("an error is trailers, and all that there is where the stream was not accepted")
    func failed() throws {
        let (bench, stream) = try opened()
        stream.end(RefusalStatus(code: 3, message: "wrong"))
        #expect(
            try bench.sent() == [
                Self.accepted, .headers(["grpc-status": "3", "grpc-message": "wrong"], end: true),
            ])
        let (other, refused) = try opened(accepts: false)
        refused.end(RefusalStatus(code: 7, message: "not you"))
        #expect(
            try other.sent() == [
                .headers(
                    [
                        ":status": "200", "content-type": "application/grpc", "grpc-status": "7",
                        "grpc-message": "not you",
                    ], end: true)
            ])
    }

    @Test("what comes after the end is dropped")
    func afterTheEnd() throws {
        let (bench, stream) = try opened()
        stream.end()
        try bench.send(Wire.message([1]))
        try bench.send([9, 9, 9, 9, 9, 9], endStream: true)
        #expect(reader.messages.isEmpty)
        #expect(!reader.told.contains("end"))
        #expect(try bench.sent().count == 2)
        #expect(try bench.handedOn().isEmpty)
    }

    @Test("a message that is too long, and one that breaks the stream, are told as markers")
    func markers() throws {
        let (bench, _) = try opened()
        try bench.send(Wire.message([1]) + [9, 0, 0, 0, 1, 1])
        #expect(reader.messages.first == [1])
        #expect(EdgeMarker(try #require(reader.messages.last)) == .broken(.malformedMessage))
        #expect(reader.told.contains("end"))
    }

    @Test("a stream that is not read leaves its bytes with the channel, until it is read again")
    func backpressure() throws {
        let (bench, stream) = try opened()
        let reads = Reads()
        try bench.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        stream.isReading = false
        bench.channel.pipeline.read()
        #expect(reads.count == 0)
        stream.isReading = true
        #expect(reads.count == 1)
        bench.channel.pipeline.read()
        #expect(reads.count == 2)
        // Who has answered reads what still comes.
        stream.isReading = false
        bench.channel.pipeline.read()
        stream.end()
        #expect(reads.count == 3)
    }

    @Test("a reset, and the end of its connection, are told once, and nothing is sent any more")
    func gone() throws {
        let (bench, stream) = try opened()
        #expect(bench.connection.reset(1))
        bench.channel.embeddedEventLoop.run()
        stream.write(ByteBuffer(bytes: Wire.message([7])))
        stream.end()
        #expect(reader.told.filter { $0 == "cancelled" }.count == 1)
        #expect(try bench.sent() == [Self.accepted])
        let (other, _) = try opened()
        other.channel.pipeline.fireChannelInactive()
        #expect(reader.told.filter { $0 == "cancelled" }.count == 2)
    }

    @Test("a port that waits no longer tells the stream so")
    func overdue() throws {
        let (bench, stream) = try opened()
        bench.connection.endStreams()
        #expect(reader.told.last == "over")
        stream.end(RefusalStatus(code: 14, message: "stopping"))
        #expect(try bench.status()?.first(name: "grpc-message") == "stopping")
        bench.connection.endStreams()
        #expect(reader.told.filter { $0 == "over" }.count == 1)
    }

    @Test("a port that closes is told of, and leaves the stream as it is")
    func quiescing() throws {
        let (bench, stream) = try opened()
        bench.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(reader.told.last == "closes")
        stream.write(ByteBuffer(bytes: Wire.message([7])))
        stream.end()
        #expect(try bench.sent().count == 3)
    }
}

/// Counts how often the channel is to be read.
private final class Reads: ChannelOutboundHandler {
    typealias OutboundIn = HTTP2Frame.FramePayload

    private(set) var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}
