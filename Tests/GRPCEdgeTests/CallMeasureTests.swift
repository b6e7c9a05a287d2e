import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import GRPCEdge

@Suite("How calls end is told once")
struct CallMeasureTests {
    private func told(_ bench: GuardBench) -> [String] {
        bench.ends.all.map { "\($0.path ?? "other") \($0.code)" }
    }

    @Test("with the code that the library answers")
    func library() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unary))
        try bench.send(Wire.message([1]), endStream: true)
        #expect(bench.ends.all.isEmpty)
        try bench.channel.writeOutbound(
            HTTP2Frame.FramePayload.headers(.init(headers: [":status": "200"])))
        #expect(bench.ends.all.isEmpty)
        try bench.channel.writeOutbound(
            HTTP2Frame.FramePayload.headers(.init(headers: ["grpc-status": "5"], endStream: true)))
        #expect(told(bench) == ["\(GuardBench.unary) 5"])
        bench.channel.close(promise: nil)
        #expect(bench.ends.all.count == 1)
    }

    @Test("with the code of a refusal, also where no method is known", arguments: [true, false])
    func refusals(isKnown: Bool) throws {
        let bench = try GuardBench()
        let path = isKnown ? GuardBench.unary : "/nobody/knows"
        try bench.send(GuardBench.headers(path, [("grpc-timeout", "wrong")]))
        #expect(told(bench) == ["\(isKnown ? path : "other") 13"])
    }

    @Test("as cancelled where the caller leaves without an answer")
    func left() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.stream))
        bench.channel.close(promise: nil)
        bench.channel.embeddedEventLoop.run()
        #expect(bench.ends.all.count == 1)
        #expect(bench.ends.all.first?.path == GuardBench.stream)
    }

    @Test("as unknown where what is answered is no code of gRPC", arguments: ["17", "-1", "x", ""])
    func strange(code: String) throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unary))
        try bench.channel.writeOutbound(
            HTTP2Frame.FramePayload.headers(.init(headers: ["grpc-status": code], endStream: true)))
        #expect(told(bench) == ["\(GuardBench.unary) 2"])
    }

    @Test("of direct calls too")
    func direct() throws {
        let service = EdgeConfiguration.Direct(
            unaryPath: GuardBench.unarySubmission, streamPath: GuardBench.submission
        ) { _ in
            DirectService(
                unary: { $0.fail(RefusalStatus(code: 8, message: "later")) }, stream: { _ in })
        }
        let bench = try GuardBench(direct: service)
        try bench.send(GuardBench.headers(GuardBench.unarySubmission))
        try bench.send(Wire.message([1]), endStream: true)
        #expect(told(bench) == ["\(GuardBench.unarySubmission) 8"])
    }
}
