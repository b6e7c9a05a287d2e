import GRPCCore
import GRPCEdge
import LedgerAPI
import LedgerCore
import SwiftProtobuf
import TestSupport
import Testing

@testable import LedgerServer

@Suite("Submitted messages")
struct SubmittedMessageTests {
    private static func decoded(_ bytes: [UInt8]) throws -> SubmittedMessage {
        try SubmissionDeserializer(limits: EventLimits(), edge: EdgeLimits())
            .deserialize(bytes)
    }

    private static func event(metadata: Int = 0, payload: Int = 10) throws -> [UInt8] {
        var event = Ledger_Internal_Submission()
        event.eventID = .init("one".utf8)
        event.payload = .init(repeating: 1, count: payload)
        event.metadata = (0..<metadata).map { _ in .init() }
        return try event.serializedBytes()
    }

    @Test("a small event is decoded at once, a large one is left for the pool")
    func sizes() throws {
        guard case .submission(let small) = try Self.decoded(Self.event()) else {
            Issue.record("not decoded")
            return
        }
        #expect(small.displayedID == "one")
        guard case .encoded(let bytes) = try Self.decoded(Self.event(payload: 40_000)),
            case .submission(let large) = SubmittedMessage.decode(bytes)
        else {
            Issue.record("not left")
            return
        }
        #expect(large.payload.count == 40_000)
    }

    @Test("what is read without protobuf's decoder is what that would have read")
    func regular() throws {
        var generator = ReplayableRandom()
        print(generator.note)
        var event = Ledger_Internal_Submission()
        event.eventID = .init("one".utf8)
        event.payload = .init(repeating: 1, count: 300)
        event.vepsSignature = .init("signature".utf8)
        event.vepsTimestamp = -1
        event.metadata = [
            .with { $0.key = .init("key".utf8) },
            .with {
                $0.key = .init("key".utf8)
                $0.value = .init(repeating: 7, count: 200)
            },
        ]
        let whole: [UInt8] = try event.serializedBytes()
        #expect(SubmittedEvent(regular: whole) == SubmittedEvent(event))
        #expect(SubmittedEvent(regular: []) == SubmittedEvent(.init()))
        // Fields may come again, and the last one counts.
        #expect(SubmittedEvent(regular: whole + whole)?.metadata.count == 4)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = Array(whole.prefix(Int.random(in: 0...whole.count, using: &generator)))
            for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
                // Mostly where tags and lengths are.
                let most = Bool.random(using: &generator) ? bytes.count : min(12, bytes.count)
                let place = Int.random(in: 0..<most, using: &generator)
                bytes[place] = .random(in: 0...255, using: &generator)
            }
            guard let ours = SubmittedEvent(regular: bytes) else { continue }
            read += 1
            let theirs = try? Ledger_Internal_Submission(serializedBytes: bytes)
            #expect(theirs.map(SubmittedEvent.init) == ours, "\(bytes)")
        }
        #expect(read > 100)
        let overlong: [UInt8] = [0x20] + Array(repeating: 0xFF, count: 9) + [2]
        #expect(SubmittedEvent(regular: overlong) == nil)
        #expect(SubmittedEvent(regular: [0x32, 0]) == nil)
    }

    @Test("metadata beyond their count are refused before they are made, with the event's id")
    func metadataCount() throws {
        for bytes in [try Self.event(metadata: 33), try Self.event(metadata: 30_000)] {
            let message = SubmittedMessage.decode(bytes)
            guard case .refused(let error, let eventID) = message else {
                Issue.record("\(message)")
                return
            }
            #expect(error.reason == .invalidEvent)
            #expect(error.fieldViolations.map(\.field) == ["metadata"])
            #expect(eventID == "one")
        }
        guard case .submission = try Self.decoded(Self.event(metadata: 32)) else {
            Issue.record("32 entries are allowed")
            return
        }
    }

    @Test("bytes that are no message are said to be none, and certainly not sealed")
    func undecodable() throws {
        for bytes in [[0x0A], [0x0A, 9, 1], [0xFF], [0x0B], [0x07]] as [[UInt8]] {
            guard case .broken(let error) = try Self.decoded(bytes) else {
                Issue.record("\(bytes) was taken")
                continue
            }
            #expect(error.code == .invalidArgument && error.reason == .invalidEvent)
        }
    }

    @Test("a message that the port has skipped is one event's fault, with its id and the limit")
    func oversized() throws {
        let start = try Self.event(payload: 200_000).prefix(300)
        let length: [UInt8] = [0, 0, 0, 0, 0, 3, 13, 64]
        let message = try Self.decoded([0x07] + length + start)
        guard case .refused(let error, let eventID) = message else {
            Issue.record("\(message)")
            return
        }
        #expect(eventID == "one")
        #expect(error.message.contains("200000") && error.message.contains("49152"))
        #expect(error.reason == .invalidEvent)
    }

    @Test("the scan counts in one step a field, and stops at what is none")
    func scan() throws {
        let scan = SubmissionScan(try Self.event(metadata: 7))
        #expect(scan.isWhole && scan.metadataCount == 7 && scan.eventID == Array("one".utf8))
        #expect(
            !SubmissionScan([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]).isWhole)
        #expect(!SubmissionScan([0x09, 1]).isWhole)
        #expect(SubmissionScan([]).isWhole)
    }
}

@Suite("Refused requests")
struct RefusalTests {
    @Test("every refusal has an ErrorInfo, and of a submission says that it was not sealed")
    func errors() {
        let shape = ImmutableLedgerService.submissionShape
        for refusal in Refusal.allCases where refusal != .cutOff {
            let error = LedgerRPCError.refused(refusal, of: shape, limits: EdgeLimits())
            #expect(error.message.hasSuffix("the event was not sealed"), "\(refusal)")
            let status = RefusalStatus(refusal, of: shape, limits: EdgeLimits())
            #expect(status.details != nil, "\(refusal)")
            let read = LedgerRPCError.refused(refusal, of: nil, limits: EdgeLimits())
            #expect(read.reason != .invalidEvent && read.reason != .notSealed, "\(refusal)")
        }
    }

    @Test("a call that was cut off has no ErrorInfo: its outcome is unknown")
    func cutOff() {
        #expect(RefusalStatus(.cutOff, of: nil, limits: EdgeLimits()).details == nil)
    }
}
