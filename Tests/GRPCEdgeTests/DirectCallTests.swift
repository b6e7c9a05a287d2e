import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import GRPCEdge

@Suite("A call that is served without the library")
struct DirectCallTests {
    /// Takes the calls of a connection, for the test to answer.
    private final class Desk: @unchecked Sendable {
        // Everything here runs on the test's own thread.
        var calls: [DirectCall] = []
        var streams: [DirectStream] = []
        var connections = 0

        var direct: EdgeConfiguration.Direct {
            .init(
                unaryPath: GuardBench.unarySubmission, streamPath: GuardBench.submission
            ) { _ in
                self.connections += 1
                return DirectService(
                    unary: { self.calls.append($0) }, stream: { self.streams.append($0) })
            }
        }
    }

    private let desk = Desk()

    /// A bench whose caller has sent a whole request.
    private func called(_ message: [UInt8] = [1, 2, 3]) throws -> (GuardBench, DirectCall) {
        let bench = try GuardBench(direct: desk.direct)
        try bench.send(GuardBench.headers(GuardBench.unarySubmission, [("grpc-timeout", "1S")]))
        try bench.send(Wire.message(message), endStream: true)
        return (bench, try #require(desk.calls.last))
    }

    private func answer(_ byte: UInt8) -> ByteBuffer { ByteBuffer(bytes: Wire.message([byte])) }

    @Test("the service is handed the message, and the library hears of nothing")
    func handed() throws {
        let (bench, call) = try called()
        #expect(call.message == [1, 2, 3])
        #expect(call.timeout == "1S")
        #expect(call.arrival > 0)
        #expect(try bench.handedOn().isEmpty)
    }

    @Test("an answer is headers, one message and trailers, as the library sends them")
    func answered() throws {
        let (bench, call) = try called()
        call.answer(answer(7))
        #expect(
            try bench.sent() == [
                .headers([":status": "200", "content-type": "application/grpc"], end: false),
                .data(Wire.message([7]), end: false),
                .headers(["grpc-status": "0"], end: true),
            ])
    }

    @Test("an error is trailers alone, as the library sends them")
    func failed() throws {
        let (bench, call) = try called()
        call.fail(RefusalStatus(code: 3, message: "100% wrong", details: "AAAA"))
        #expect(
            try bench.sent() == [
                .headers(
                    [
                        ":status": "200", "content-type": "application/grpc", "grpc-status": "3",
                        "grpc-message": "100%25 wrong", "grpc-status-details-bin": "AAAA",
                    ], end: true)
            ])
    }

    @Test("nothing is said twice")
    func once() throws {
        let (bench, call) = try called()
        call.answer(answer(7))
        call.answer(answer(8))
        call.fail(RefusalStatus(code: 3, message: "late"))
        #expect(try bench.sent().count == 3)
    }

    @Test("a second message, half of one, and a request that never ends are told as markers")
    func markers() throws {
        for (bytes, refusal) in [
            (Wire.message([1]) + Wire.message([2]), .extraMessage),
            (Wire.message([1]) + [0, 0], .incompleteMessage),
        ] as [([UInt8], Refusal)] {
            let bench = try GuardBench(direct: desk.direct)
            try bench.send(GuardBench.headers(GuardBench.unarySubmission))
            try bench.send(bytes, endStream: true)
            #expect(EdgeMarker(try #require(desk.calls.last).message) == .broken(refusal))
        }
        let bench = try GuardBench(direct: desk.direct)
        try bench.send(GuardBench.headers(GuardBench.unarySubmission))
        try bench.send([0, 0])
        bench.connection.sweep(at: .now() + .seconds(11))
        #expect(EdgeMarker(try #require(desk.calls.last).message) == .broken(.requestTimeout))
    }

    @Test("a reset withdraws the call once, and an answer that still comes is dropped")
    func reset() throws {
        let (bench, call) = try called()
        var withdrawn = 0
        call.whenCancelled { withdrawn += 1 }
        #expect(bench.connection.reset(1))
        bench.channel.embeddedEventLoop.run()
        #expect(withdrawn == 1)
        call.answer(answer(7))
        #expect(try bench.sent().isEmpty)
    }

    @Test("so does the end of its connection, of which the library hears nothing either")
    func closed() throws {
        let (bench, call) = try called()
        let ends = Ends()
        try bench.channel.pipeline.syncOperations.addHandler(ends)
        var withdrawn = 0
        call.whenCancelled { withdrawn += 1 }
        bench.channel.pipeline.fireChannelInactive()
        #expect(withdrawn == 1)
        #expect(ends.count == 0)
    }

    @Test("a call that was withdrawn before it was submitted is so at once")
    func early() throws {
        let (bench, call) = try called()
        #expect(bench.connection.reset(1))
        var withdrawn = 0
        call.whenCancelled { withdrawn += 1 }
        #expect(withdrawn == 1)
    }

    @Test("who was answered is not withdrawn")
    func answeredIsNotWithdrawn() throws {
        let (bench, call) = try called()
        var withdrawn = 0
        call.whenCancelled { withdrawn += 1 }
        call.answer(answer(7))
        bench.channel.pipeline.fireChannelInactive()
        call.whenCancelled { withdrawn += 1 }
        #expect(withdrawn == 0)
    }

    @Test("a port that closes withdraws the call, and still sends its answer")
    func quiescing() throws {
        let (bench, call) = try called()
        var withdrawn = 0
        call.whenCancelled { withdrawn += 1 }
        bench.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(withdrawn == 1)
        call.fail(RefusalStatus(code: 14, message: "stopping"))
        #expect(try bench.status()?.first(name: "grpc-message") == "stopping")
    }

    @Test("at the end of its connection's age nothing certain is said of it, and it is withdrawn")
    func aged() throws {
        let (bench, call) = try called()
        var withdrawn = 0
        call.whenCancelled { withdrawn += 1 }
        bench.connection.sweep(at: .now() + .seconds(1_861))
        #expect(try bench.status()?.first(name: "grpc-message") == "cutOff")
        #expect(withdrawn == 1)
        call.answer(answer(7))
        #expect(try bench.sent().isEmpty)
    }

    @Test("its bytes count as held until it ends")
    func heldBytes() throws {
        let (bench, call) = try called()
        #expect(bench.table.statistics.heldBytes == 8)
        call.answer(answer(7))
        _ = try bench.channel.finish()
        #expect(bench.table.statistics.heldBytes == 0)
    }

    @Test("a refused head never reaches the service, and other methods belong to the library")
    func others() throws {
        let refused = try GuardBench(direct: desk.direct)
        try refused.send(
            GuardBench.headers(GuardBench.unarySubmission, [("grpc-timeout", "-1S")]))
        #expect(try refused.status()?.first(name: "grpc-message") == "malformedTimeout")
        let bench = try GuardBench(direct: desk.direct)
        try bench.send(GuardBench.headers(GuardBench.unary))
        try bench.send(Wire.message([1]), endStream: true)
        #expect(try bench.handedOn().count == 2)
        #expect(desk.calls.isEmpty)
        #expect(desk.connections == 0)
    }

    @Test("the connection's peer is looked at once, with the first call")
    func oneService() throws {
        let (bench, _) = try called()
        _ = try #require(bench.connection.directService())
        #expect(desk.connections == 1)
    }
}

/// Counts how often the library is told that the call's channel is gone.
private final class Ends: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload

    private(set) var count = 0

    func channelInactive(context: ChannelHandlerContext) { count += 1 }
}
