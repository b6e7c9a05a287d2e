import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Synchronization
import Testing

@testable import GRPCEdge

@Suite("Who records a call")
struct CallRecorderTests {
    private final class Recorder: CallRecorder {
        let traceParent: String? = "00-of-the-record"
        let codes = Mutex<[Int]>([])

        func ended(code: Int) { codes.withLock { $0.append(code) } }
    }

    private final class Begins: Sendable {
        let all = Mutex<[CallBegin]>([])
    }

    @Test("is asked when it begins, named to the library, and told once when it has ended")
    func library() throws {
        let (recorder, begins) = (Recorder(), Begins())
        let bench = try GuardBench(keepsContext: true) { begin in
            begins.all.withLock { $0.append(begin) }
            return recorder
        }
        try bench.send(GuardBench.headers(GuardBench.unary, [("traceparent", "00-a")]))
        #expect(begins.all.withLock { $0.map(\.path) } == [GuardBench.unary])
        #expect(begins.all.withLock { $0.map(\.traceParent) } == ["00-a"])
        try bench.send(Wire.message([1]), endStream: true)
        var named: [String] = []
        while let frame = try bench.channel.readInbound(as: HTTP2Frame.FramePayload.self) {
            if case .headers(let head) = frame { named += head.headers[CallContext.spanName] }
        }
        #expect(named == ["00-of-the-record"])
        #expect(recorder.codes.withLock { $0 } == [])
        try bench.channel.writeOutbound(
            HTTP2Frame.FramePayload.headers(.init(headers: ["grpc-status": "5"], endStream: true)))
        bench.channel.close(promise: nil)
        #expect(recorder.codes.withLock { $0 } == [5])
    }

    @Test(
        "is told once, as metrics are, of a call that is refused, and of one whose caller has gone",
        arguments: [true, false])
    func ended(isRefused: Bool) throws {
        let recorder = Recorder()
        let bench = try GuardBench(keepsContext: true) { _ in recorder }
        let wrong = isRefused ? [("grpc-timeout", "wrong")] : []
        try bench.send(GuardBench.headers(GuardBench.stream, wrong))
        #expect(recorder.codes.withLock(\.count) == (isRefused ? 1 : 0))
        bench.channel.close(promise: nil)
        bench.channel.embeddedEventLoop.run()
        let codes = recorder.codes.withLock { $0 }
        #expect(codes.count == 1)
        #expect(codes == bench.ends.all.map(\.code))
    }

    @Test("a caller cannot name the record itself")
    func forged() throws {
        let bench = try GuardBench(keepsContext: true) { _ in nil }
        try bench.send(GuardBench.headers(GuardBench.unary, [(CallContext.spanName, "00-forged")]))
        var named: [String] = []
        while let frame = try bench.channel.readInbound(as: HTTP2Frame.FramePayload.self) {
            if case .headers(let head) = frame { named += head.headers[CallContext.spanName] }
        }
        #expect(named.isEmpty)
    }
}
