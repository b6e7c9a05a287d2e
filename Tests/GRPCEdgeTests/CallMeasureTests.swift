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

    /// How far a request got before its caller left.
    enum Progress: CaseIterable {
        case headers, halfAPrefix, halfAMessage, whole

        func send(to bench: GuardBench, _ path: String) throws {
            try bench.send(GuardBench.headers(path))
            let message = Wire.message([1, 2, 3, 4])
            switch self {
            case .headers: break
            case .halfAPrefix: try bench.send(Array(message.prefix(3)))
            case .halfAMessage: try bench.send(Array(message.prefix(7)))
            case .whole: try bench.send(message, endStream: true)
            }
        }
    }

    static let everyWay = [
        GuardBench.unary, GuardBench.stream, GuardBench.unarySubmission, GuardBench.submission,
    ]

    @Test(
        "as cancelled where the caller resets the call, or is gone with its connection, wherever its request was",
        arguments: Progress.allCases, everyWay)
    func left(progress: Progress, path: String) throws {
        for isReset in [true, false] {
            for isDirect in [true, false] {
                let service = EdgeConfiguration.Direct(
                    unaryPath: GuardBench.unarySubmission, streamPath: GuardBench.submission
                ) { _ in DirectService(stream: { _ in }) }
                let bench = try GuardBench(direct: isDirect ? service : nil)
                try progress.send(to: bench, path)
                #expect(bench.ends.all.isEmpty)
                if isReset {
                    #expect(bench.connection.reset(1))
                } else {
                    bench.loseConnection()
                }
                // Whoever serves the call may take its end for a failure, and say so too late.
                _ = try? bench.channel.writeOutbound(
                    HTTP2Frame.FramePayload.headers(
                        .init(headers: ["grpc-status": "13"], endStream: true)))
                bench.channel.embeddedEventLoop.run()
                #expect(told(bench) == ["\(path) 1"], "reset: \(isReset), direct: \(isDirect)")
            }
        }
    }

    @Test("as cut off where the port itself closes a call without an answer")
    func closed() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.stream))
        bench.channel.close(promise: nil)
        bench.channel.embeddedEventLoop.run()
        // What the bench says of every refusal.
        #expect(told(bench) == ["\(GuardBench.stream) 13"])
        #expect(bench.table.statistics.refused(.cutOff) == 1)
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
