import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import GRPCEdge

@Suite("A call's guard")
struct CallGuardTests {
    private func refusal(
        _ headers: HPACKHeaders, endStream: Bool = false, limits: EdgeLimits = EdgeLimits()
    ) throws -> String? {
        let bench = try GuardBench(limits: limits)
        try bench.send(headers, endStream: endStream)
        #expect(try bench.handedOn().isEmpty)
        return try bench.status()?.first(name: "grpc-message")
    }

    @Test(
        "every wrong form of grpc-timeout is refused for that call alone",
        arguments: ["-1S", "", "S", "1", "123456789S", " 1S", "1 S", "١S"])
    func timeouts(text: String) throws {
        let headers = GuardBench.headers(GuardBench.unary, [("grpc-timeout", text)])
        #expect(try refusal(headers) == "malformedTimeout")
    }

    @Test("two timeouts are refused")
    func twoTimeouts() throws {
        let headers = GuardBench.headers(
            GuardBench.unary, [("grpc-timeout", "1S"), ("grpc-timeout", "1S")])
        #expect(try refusal(headers) == "malformedTimeout")
    }

    @Test("the library sees no timeout, no unknown header and none that only we may set")
    func handedOnHeaders() throws {
        let bench = try GuardBench()
        try bench.send(
            GuardBench.headers(
                GuardBench.unary,
                [
                    ("grpc-timeout", "1S"), ("x-bin", "!!"), ("ledger-arrived-at", "1"),
                    ("ledger-timeout", "9S"), ("grpc-encoding", "gzip"),
                ]))
        guard case .headers(let headers, false)? = try bench.handedOn().first else {
            Issue.record("nothing was handed on")
            return
        }
        #expect(headers["grpc-timeout"].isEmpty && headers["x-bin"].isEmpty)
        #expect(headers["grpc-encoding"].isEmpty)
        #expect(headers["ledger-timeout"] == ["1S"])
        #expect(headers["ledger-arrived-at"].count == 1)
        #expect(headers["ledger-arrived-at"] != ["1"])
    }

    @Test("a call of no method, with another HTTP method, too many headers or an unknown encoding")
    func heads() throws {
        #expect(try refusal(GuardBench.headers("/nobody/knows")) == "unknownMethod")
        #expect(
            try refusal(GuardBench.headers(GuardBench.unary, method: "GET")) == "malformedHeaders")
        let long = GuardBench.headers(
            GuardBench.unary, [("x", String(repeating: "x", count: 17_000))])
        #expect(try refusal(long) == "metadataTooLarge")
        let zstd = GuardBench.headers(GuardBench.unary, [("grpc-encoding", "zstd")])
        #expect(try refusal(zstd) == "unknownEncoding")
    }

    @Test("END_STREAM on the headers of a unary call is answered at once")
    func endOnHeaders() throws {
        #expect(
            try refusal(GuardBench.headers(GuardBench.unary), endStream: true) == "missingMessage")
    }

    @Test("END_STREAM on the headers of a stream is an empty stream")
    func emptyStream() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.stream), endStream: true)
        let handed = try bench.handedOn()
        #expect(handed.count == 2)
        #expect(handed.last == .data([], end: true))
    }

    @Test("a whole message goes through with its end")
    func message() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unary))
        try bench.send(Wire.message([1, 2]), endStream: true)
        #expect(try bench.handedOn().last == .data(Wire.message([1, 2]), end: true))
        #expect(try bench.status() == nil)
    }

    @Test("a cut message, none, and a second one are refused")
    func unaryMessages() throws {
        for (bytes, expected) in [
            ([0, 0, 0, 0, 9, 1], "incompleteMessage"), ([], "missingMessage"),
            (Wire.message([1]) + Wire.message([2]), "extraMessage"),
        ] as [([UInt8], String)] {
            let bench = try GuardBench()
            try bench.send(GuardBench.headers(GuardBench.unary))
            #expect(throws: RefusedCall.self) { try bench.send(bytes, endStream: true) }
            #expect(try bench.status()?.first(name: "grpc-message") == expected)
        }
    }

    @Test(
        "a unary submission with a second message, or half of one, is answered for by the service alone"
    )
    func unarySubmission() throws {
        for second in [Wire.message([2]), [0, 0]] {
            let bench = try GuardBench()
            try bench.send(GuardBench.headers(GuardBench.unarySubmission))
            try bench.send(Wire.message([1]) + second, endStream: true)
            let handed = try bench.handedOn().dropFirst()
            guard handed.count == 1, case .data(let marker, true)? = handed.first else {
                Issue.record("\(handed)")
                return
            }
            #expect(EdgeMarker(Array(marker.dropFirst(5))) != nil)
        }
    }

    @Test("a message that is too large is one bad event among good ones")
    func oversizedInStream() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.submission))
        let long = [UInt8](repeating: 9, count: 3_000)
        try bench.send(Wire.message([1]) + Wire.message(long) + Wire.message([2]), endStream: true)
        let handed = try bench.handedOn().dropFirst()
        guard handed.count == 3, case .data(let marker, false) = handed[handed.startIndex + 1]
        else {
            Issue.record("\(handed)")
            return
        }
        #expect(
            EdgeMarker(Array(marker.dropFirst(5)))
                == .oversized(length: 3_000, start: Array(long.prefix(300))))
        #expect(handed.last == .data(Wire.message([2]), end: true))
    }

    @Test("what breaks a stream of submissions is left to the service to say, after its answers")
    func brokenStream() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.submission))
        try bench.send(Wire.message([1]) + Wire.message([2], flag: 9) + Wire.message([3]))
        let handed = try bench.handedOn()
        guard case .data(let marker, true)? = handed.last else {
            Issue.record("\(handed)")
            return
        }
        #expect(EdgeMarker(Array(marker.dropFirst(5))) == .broken(.malformedMessage))
        #expect(handed.count == 3)
        #expect(try bench.status() == nil)
        try bench.send(Wire.message([4]))
        #expect(try bench.handedOn().isEmpty)
    }

    @Test("a connection holds so many bytes of half-sent messages and no more")
    func connectionBytes() throws {
        var limits = EdgeLimits()
        limits.maxConnectionBytes = 50
        let bench = try GuardBench(limits: limits)
        try bench.send(GuardBench.headers(GuardBench.unary))
        try bench.send([0, 0, 0, 0, 90] + [UInt8](repeating: 1, count: 40))
        #expect(bench.table.statistics.heldBytes == 45)
        #expect(throws: RefusedCall.self) {
            try bench.send([UInt8](repeating: 1, count: 20))
        }
        #expect(try bench.status()?.first(name: "grpc-message") == "connectionBytes")
        #expect(bench.table.statistics.heldBytes == 0)
        #expect(bench.table.statistics.refused(.connectionBytes) == 1)
    }

    @Test("all connections together hold so many bytes and no more")
    func requestBytes() throws {
        var limits = EdgeLimits()
        limits.maxRequestBytes = 50
        let bench = try GuardBench(limits: limits)
        try bench.send(GuardBench.headers(GuardBench.unary))
        #expect(throws: RefusedCall.self) {
            try bench.send([0, 0, 0, 0, 90] + [UInt8](repeating: 1, count: 60))
        }
        #expect(try bench.status()?.first(name: "grpc-message") == "requestBytes")
    }

    @Test("a call beyond the most open ones is refused")
    func calls() throws {
        var limits = EdgeLimits()
        limits.maxCalls = 0
        #expect(
            try refusal(GuardBench.headers(GuardBench.unary), limits: limits) == "calls")
    }

    @Test("a half-sent request ends after its time")
    func requestTimeout() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unary))
        try bench.send([0, 0])
        bench.connection.sweep(at: .now() + .seconds(9))
        #expect(try bench.status() == nil)
        bench.connection.sweep(at: .now() + .seconds(11))
        #expect(try bench.status()?.first(name: "grpc-message") == "requestTimeout")
        #expect(throws: RefusedCall.self) { try bench.channel.throwIfErrorCaught() }
    }

    @Test("a half-sent submission is refused by the service, which is told that reading is over")
    func submissionTimeout() throws {
        let bench = try GuardBench()
        let completions = Completions()
        try bench.channel.pipeline.syncOperations.addHandler(completions)
        try bench.send(GuardBench.headers(GuardBench.submission))
        try bench.send([0, 0])
        let before = completions.count
        bench.connection.sweep(at: .now() + .seconds(11))
        guard case .data(let marker, true)? = try bench.handedOn().last else {
            Issue.record("nothing was handed on")
            return
        }
        #expect(EdgeMarker(Array(marker.dropFirst(5))) == .broken(.requestTimeout))
        #expect(completions.count == before + 1)
    }

    @Test("at the end of a connection's age no submission that was handed on is called not sealed")
    func agedSubmission() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unarySubmission))
        try bench.send(Wire.message([1]), endStream: true)
        bench.connection.sweep(at: .now() + .seconds(1_861))
        #expect(try bench.status()?.first(name: "grpc-message") == "cutOff")
        #expect(throws: RefusedCall.self) { try bench.channel.throwIfErrorCaught() }
    }

    @Test("an open stream may be quiet for as long as it likes")
    func quietStream() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.submission))
        try bench.send(Wire.message([1]))
        bench.connection.sweep(at: .now() + .hours(9))
        #expect(try bench.status() == nil)
        #expect(bench.channel.isActive)
    }

    @Test("a call that the library closes ends with a status all the same")
    func closedWithoutStatus() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unary))
        try bench.send(Wire.message([1]), endStream: true)
        bench.channel.close(promise: nil)
        #expect(try bench.status()?.first(name: "grpc-message") == "cutOff")
    }

    @Test("nothing is said twice, and nothing after a refusal")
    func oneStatus() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unary))
        #expect(throws: RefusedCall.self) { try bench.send([], endStream: true) }
        #expect(try bench.status() != nil)
        #expect(throws: ChannelError.self) {
            try bench.channel.writeOutbound(
                HTTP2Frame.FramePayload.headers(.init(headers: [:], endStream: true)))
        }
        bench.channel.close(promise: nil)
        #expect(try bench.status() == nil)
    }

    @Test("a caller that was answered and does not end its side is closed after a while")
    func lingering() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.stream))
        try bench.channel.writeOutbound(
            HTTP2Frame.FramePayload.headers(
                .init(headers: ["grpc-status": "0"], endStream: true)))
        bench.connection.sweep(at: .now())
        #expect(bench.channel.isActive)
        bench.connection.sweep(at: .now() + .seconds(2))
        #expect(!bench.channel.isActive)
    }

    @Test("a status in trailers is escaped where it is not printable ASCII")
    func escaping() {
        #expect(RefusalStatus.percentEncoded("100% é\n") == "100%25 %C3%A9%0A")
    }
}

/// Counts how often reading was over.
private final class Completions: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload

    private(set) var count = 0

    func channelReadComplete(context: ChannelHandlerContext) {
        count += 1
        context.fireChannelReadComplete()
    }
}
