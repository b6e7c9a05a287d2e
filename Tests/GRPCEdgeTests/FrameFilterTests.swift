import NIOCore
import NIOEmbedded
import Testing

@testable import GRPCEdge

@Suite("Frames in front of the HTTP/2 handler")
struct FrameFilterTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    private static let settings = frame(4, payload: [0, 3, 0, 0, 0, 100])
    private static let ack = frame(4, flags: 1)
    private static let ping = frame(6, payload: [1, 2, 3, 4, 5, 6, 7, 8])
    private static let pong = frame(6, flags: 1, payload: [1, 2, 3, 4, 5, 6, 7, 8])
    private static let data = frame(0, stream: 1, payload: Array(repeating: 7, count: 40))

    private static func frame(
        _ type: UInt8, flags: UInt8 = 0, stream: UInt8 = 0, payload: [UInt8] = []
    ) -> [UInt8] {
        [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, stream] + payload
    }

    private struct Passed {
        var bytes: [UInt8] = []
        var answers: [UInt8] = []
        var resets: [UInt32] = []
    }

    /// What comes out on either side when bytes come in parts of a size.
    private func passed(_ bytes: [UInt8], parts: Int, isOpen: Bool = true) throws -> Passed {
        var passed = Passed()
        let filter = FrameFilter(settingsFrames: 2) { stream in
            passed.resets.append(stream)
            return isOpen
        }
        let channel = EmbeddedChannel(handler: filter)
        var rest = bytes[...]
        while !rest.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: rest.prefix(parts)))
            rest = rest.dropFirst(parts)
        }
        while let part = try channel.readInbound(as: ByteBuffer.self) {
            passed.bytes += part.readableBytesView
        }
        while let part = try channel.readOutbound(as: ByteBuffer.self) {
            passed.answers += part.readableBytesView
        }
        _ = try channel.finish(acceptAlreadyClosed: true)
        return passed
    }

    @Test(
        "acknowledgements come with the peer's settings, and its own are taken out",
        arguments: 1...40)
    func acknowledged(parts: Int) throws {
        let peer =
            Self.preface + Self.settings + Self.data + Self.ack + Self.data + Self.ack + Self.ack
        let expected =
            Self.preface + Self.settings + Self.ack + Self.ack + Self.data + Self.data + Self.ack
        #expect(try passed(peer, parts: parts).bytes == expected)
    }

    @Test("a peer's settings may be empty", arguments: 1...40)
    func emptySettings(parts: Int) throws {
        let start = Self.preface + Self.frame(4)
        #expect(
            try passed(start + Self.data + Self.ack, parts: parts).bytes
                == start + Self.ack + Self.ack + Self.data)
        #expect(try passed(start, parts: parts).bytes == start + Self.ack + Self.ack)
    }

    // Few and short cases: whatever keeps a processor busy here delays tests with real deadlines in the same process.
    @Test("pings are answered here, however they come", arguments: [1, 8, 9, 17, 18, 50, 1_000])
    func pings(parts: Int) throws {
        let start = Self.preface + Self.settings
        let peer = start + (0..<20).flatMap { _ in Self.ping + Self.data }
        let result = try passed(peer, parts: parts)
        #expect(
            result.bytes == start + Self.ack + Self.ack + (0..<20).flatMap { _ in Self.data })
        #expect(result.answers == (0..<20).flatMap { _ in Self.pong })
    }

    @Test("a pong goes through: it answers the library's own ping")
    func pongs() throws {
        let result = try passed(Self.preface + Self.settings + Self.pong, parts: 100)
        #expect(result.bytes.suffix(Self.pong.count) == Self.pong[...])
        #expect(result.answers.isEmpty)
    }

    @Test(
        "a reset is told, and left to the HTTP/2 handler where there was no such call",
        arguments: 1...40)
    func resets(parts: Int) throws {
        let reset = Self.frame(3, stream: 5, payload: [0, 0, 0, 8])
        let peer = Self.preface + Self.settings + Self.data + reset + Self.data
        let known = Self.preface + Self.settings + Self.ack + Self.ack + Self.data
        let result = try passed(peer, parts: parts)
        #expect(result.resets == [5])
        #expect(result.bytes == known + Self.data)
        let unknown = try passed(peer, parts: parts, isOpen: false)
        #expect(unknown.bytes == known + reset + Self.data)
    }

    @Test("priorities and frames of unknown types are dropped", arguments: 1...40)
    func meaningless(parts: Int) throws {
        let peer =
            Self.preface + Self.settings + Self.frame(2, stream: 3, payload: [0, 0, 0, 1, 9])
            + Self.data + Self.frame(200, payload: Array(repeating: 1, count: 99)) + Self.frame(99)
            + Self.data
        let result = try passed(peer, parts: parts).bytes
        let expected = Self.preface + Self.settings + Self.ack + Self.ack + Self.data + Self.data
        #expect(result == expected)
    }

    @Test("frames of a wrong length are left to the HTTP/2 handler to refuse")
    func wrongLengths() throws {
        let peer =
            Self.preface + Self.settings + Self.frame(6, payload: [1])
            + Self.frame(3, stream: 1, payload: [1, 2, 3]) + Self.frame(2, payload: [1])
        let start = Self.preface + Self.settings
        #expect(
            try passed(peer, parts: 1_000).bytes
                == start + Self.ack + Self.ack + peer.dropFirst(start.count))
    }
}
