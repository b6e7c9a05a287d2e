import NIOCore
import NIOEmbedded
import Testing

@testable import GRPCEdge

@Suite("Settings in force at once")
struct SettingsAcknowledgerTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    private static let settings: [UInt8] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]
    private static let ack: [UInt8] = [0, 0, 0, 4, 1, 0, 0, 0, 0]
    private static let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]

    /// What comes out of the handler, and whether it has left.
    private func passed(_ bytes: [UInt8], parts: Int) throws -> (bytes: [UInt8], hasLeft: Bool) {
        let channel = EmbeddedChannel(handler: SettingsAcknowledger(settingsFrames: 2))
        var rest = bytes[...]
        while !rest.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: rest.prefix(parts)))
            rest = rest.dropFirst(parts)
        }
        var output: [UInt8] = []
        while let part = try channel.readInbound(as: ByteBuffer.self) {
            output += part.readableBytesView
        }
        let handler = try? channel.pipeline.syncOperations.handler(type: SettingsAcknowledger.self)
        _ = try channel.finish(acceptAlreadyClosed: true)
        return (output, handler == nil)
    }

    @Test(
        "acknowledgements come with the peer's settings, and its own are taken out",
        arguments: 1...40)
    func acknowledged(parts: Int) throws {
        let peer =
            Self.preface + Self.settings + Self.ping + Self.ack + Self.ping + Self.ack + Self.ping
            + Self.ack
        let (bytes, hasLeft) = try passed(peer, parts: parts)
        #expect(
            bytes == Self.preface + Self.settings + Self.ack + Self.ack + Self.ping + Self.ping
                + Self.ping + Self.ack)
        #expect(hasLeft)
    }

    @Test("a peer that never acknowledges is understood all the same")
    func silent() throws {
        let peer = Self.preface + Self.settings + Self.ping + Self.settings + Self.ping
        let (bytes, hasLeft) = try passed(peer, parts: 7)
        #expect(
            bytes == Self.preface + Self.settings + Self.ack + Self.ack + Self.ping
                + Self.settings + Self.ping)
        #expect(!hasLeft)
    }

    @Test("what is no HTTP/2 goes through as it is")
    func foreign() throws {
        let peer = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n and more that is none of it".utf8)
        #expect(try passed(peer, parts: 5).bytes == peer)
    }
}
