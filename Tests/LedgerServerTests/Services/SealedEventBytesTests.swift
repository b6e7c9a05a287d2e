import LedgerAPI
import LedgerCore
import NIOCore
import SwiftProtobuf
import TestSupport
import Testing

@testable import LedgerServer

@Suite("A sealed event's bytes")
struct SealedEventBytesTests {
    private static func text(_ count: Int) -> [UInt8] { Array(repeating: 97, count: count) }

    private func message(_ buffer: ByteBuffer) throws -> [UInt8] {
        #expect(buffer.getInteger(at: 0, as: UInt8.self) == 0)
        let length = try #require(buffer.getInteger(at: 1, as: UInt32.self))
        #expect(buffer.readableBytes == 5 + Int(length))
        return Array(buffer.readableBytesView.dropFirst(5))
    }

    @Test("are those that protobuf would write, alone and in a stream's result")
    func same() throws {
        var generator = ReplayableRandom()
        print(generator.note)
        // Lengths on both sides of where a length takes another byte, and of none.
        let lengths = [0, 1, 127, 128, 250, 16_383, 16_384]
        for round in 0..<400 {
            func length(_ most: Int) -> Int {
                min(most, lengths.randomElement(using: &generator) ?? 0)
            }
            let event = try CertifiedEvent(
                eventID: Self.text(max(1, length(256))), payload: Self.text(length(20_000)),
                vepsSignature: Self.text(length(1_024)),
                vepsTimestamp: Int64.random(in: 0...4_102_444_800_000, using: &generator),
                metadata: (0..<Int.random(in: 0...3, using: &generator)).map {
                    MetadataEntry(key: Array("key \($0)".utf8), value: Self.text(length(1_024)))
                }, submitter: Self.text(length(250)), limits: EventLimits())
            let seal = Seal(
                sequenceNumber: SequenceNumber(rawValue: round == 0 ? .max : UInt64(round) << 6),
                eventHash: .sha256(event.payload), previousHash: .zero,
                sealedTimestamp: Int64(round) << 30)
            let latency = Nanoseconds(Int64.random(in: 0...90_000_000, using: &generator))
            let expected = Ledger_SealedEvent(event, seal, latency: latency)
            var alone = ByteBuffer()
            SealedEventBytes(event, seal, latency: latency).writeAlone(to: &alone)
            let decoded = try Ledger_SealedEvent(serializedBytes: try message(alone))
            #expect(decoded == expected)
            var result = ByteBuffer()
            SealedEventBytes(event, seal, latency: latency).writeResult(to: &result)
            #expect(
                try Ledger_SubmitResult(serializedBytes: try message(result))
                    == .with { $0.sealed = expected })
            // Without the map, whose order is protobuf's own, they are the same byte for byte.
            if event.metadata.isEmpty {
                let bytes: [UInt8] = try expected.serializedBytes()
                #expect(try message(alone) == bytes)
            }
        }
    }
}
