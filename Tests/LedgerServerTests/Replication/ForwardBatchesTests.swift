import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import LedgerReplica
import NIOCore
import SwiftProtobuf
import Testing

@testable import LedgerServer

@Suite("The batches between replicas are protobuf's, byte for byte")
struct ForwardBatchesTests {
    private final class Nobody: SubmissionCaller {
        func settle(_ answers: [SubmissionAnswer]) {}
    }

    private final class Trace: SubmissionTrace {
        let traceParent = Array("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".utf8)

        func sealing(events: Int) {}
        func forwarding() {}
        func resolving() {}
        func settled(_ outcome: LedgerCore.SubmissionOutcome) {}
    }

    private func submission(
        _ token: UInt64, stream: UInt64?, payload: Int, trace: (any SubmissionTrace)? = nil
    ) throws -> Submission {
        let event = try CertifiedEvent(
            eventID: Array("event-\(token)".utf8), payload: Array(repeating: 7, count: payload),
            vepsSignature: [], vepsTimestamp: 1_700_000_000_000,
            metadata: [MetadataEntry(key: Array("k".utf8), value: Array("v".utf8))],
            submitter: Array("urn:somebody".utf8), limits: EventLimits(maxPayloadBytes: 49_152))
        return Submission(
            token: SubmissionToken(rawValue: token), stream: stream.map { StreamID(rawValue: $0) },
            origin: .caller, event: event, template: EntryTemplate(event),
            receivedAt: MonotonicInstant(nanoseconds: 0),
            commitBy: MonotonicInstant(nanoseconds: 50_000_000),
            answerBy: MonotonicInstant(nanoseconds: 1_000_000_000), caller: Nobody(), label: 0,
            trace: trace)
    }

    /// The same batch as protobuf's own objects.
    private func message(
        _ submissions: [Submission], ahead: Nanoseconds
    ) -> Ledger_Internal_ForwardRequest {
        .with {
            $0.events.events = submissions.map { submission in
                .with {
                    $0.token = submission.token.rawValue
                    $0.stream = submission.stream?.rawValue ?? 0
                    $0.entry = Data(submission.template.unsealed)
                    $0.commitBy = (submission.commitBy + ahead).nanoseconds
                    $0.answerBy = (submission.answerBy + ahead).nanoseconds
                    $0.traceParent = Data(submission.trace?.traceParent ?? [])
                }
            }
        }
    }

    private func body(_ buffer: ByteBuffer) -> [UInt8] {
        Array(buffer.readableBytesView.dropFirst(5))
    }

    @Test(
        "events", arguments: [Nanoseconds.zero, .milliseconds(-80), .milliseconds(90_000_000)])
    func events(ahead: Nanoseconds) throws {
        let submissions = [
            try submission(1, stream: nil, payload: 0),
            try submission(300, stream: 5, payload: 200, trace: Trace()),
            try submission(.max, stream: 1 << 39, payload: 40_000),
        ]
        var buffer = ByteBuffer()
        ForwardBatches.write(submissions[...], clockAhead: ahead, to: &buffer)
        let expected: [UInt8] = try message(submissions, ahead: ahead).serializedBytes()
        #expect(body(buffer) == expected)
        #expect(buffer.getInteger(at: 0, as: UInt8.self) == 0)
        #expect(buffer.getInteger(at: 1, as: UInt32.self) == UInt32(expected.count))
        let read = try #require(try ForwardBatches.events(expected))
        for (one, submission) in zip(read, submissions) {
            #expect(one.token == submission.token.rawValue)
            #expect(one.stream == submission.stream?.rawValue ?? 0)
            #expect(one.event == submission.event)
            #expect(one.template == submission.template)
            #expect(one.commitBy == submission.commitBy + ahead)
            #expect(one.answerBy == submission.answerBy + ahead)
            #expect(one.traceParent == submission.trace?.traceParent ?? [])
        }
        #expect(read.count == submissions.count)
    }

    @Test("what is not written here is left to protobuf, and comes to the same")
    func irregular() throws {
        let submissions = [try submission(7, stream: 3, payload: 10)]
        let batch: [UInt8] = try message(submissions, ahead: .zero).serializedBytes()
        // Of a later version: a field that is not known, before and behind.
        for bytes in [batch + [0x7A, 1, 0], [0x7A, 1, 0] + batch] {
            #expect(try ForwardBatches.events(bytes) == nil)
            let input = try ForwardedInput(bytes)
            #expect(input.events.map(\.token) == [7])
        }
        let recalls = Ledger_Internal_ForwardRequest.with { $0.recalls.tokens = [1, 2] }
        #expect(try ForwardedInput(recalls.bytes).content == recalls.content)
        #expect(try ForwardedInput(recalls.bytes).events.isEmpty)
    }

    @Test("a trace that is longer than ours are is none, and the event is one all the same")
    func longTrace() throws {
        let submissions = [try submission(7, stream: 3, payload: 10)]
        for count in [54, 55, 56, 100_000] {
            var batch = message(submissions, ahead: .zero)
            batch.events.events[0].traceParent = Data(repeating: 48, count: count)
            // By this reader, and by protobuf's, to which a field that is not known leaves it.
            for bytes in [batch.bytes, batch.bytes + [0x7A, 1, 0]] {
                let events = try ForwardedInput(bytes).events
                #expect(events.map(\.token) == [7])
                #expect(events.map(\.traceParent.count) == [count <= 55 ? count : 0])
            }
        }
    }

    @Test("a batch that is cut anywhere, and an entry that is none, are refused")
    func malformed() throws {
        let submissions = [
            try submission(7, stream: 3, payload: 10), try submission(8, stream: 3, payload: 300),
        ]
        let batch: [UInt8] = try message(submissions, ahead: .zero).serializedBytes()
        for count in 1..<batch.count {
            #expect(throws: RPCError.self) { try ForwardedInput(Array(batch.prefix(count))) }
        }
        var damaged = message(submissions, ahead: .zero)
        damaged.events.events[1].entry = Data([1, 2, 3])
        let error = #expect(throws: RPCError.self) { try ForwardedInput(damaged.bytes) }
        #expect(error?.code == .invalidArgument)
    }

    private static let hashes = (1...2).map { byte in
        EventHash(bytes: Array(repeating: UInt8(byte), count: 32)) ?? .zero
    }

    private static let seal = Seal(
        sequenceNumber: SequenceNumber(rawValue: 1 << 40), eventHash: hashes[0],
        previousHash: hashes[1], sealedTimestamp: 1_700_000_000_000)

    private static let outcomes: [ForwardOutcome] = [
        .sealed(seal), .duplicate(of: SequenceNumber(rawValue: 5)),
        .conflicting(with: SequenceNumber(rawValue: 6), differs: .known),
        .notSealed(.overloaded(retryAfter: .milliseconds(20))), .refused, .unknown,
    ]

    @Test("answers", arguments: [outcomes, [.sealed(seal)], [.sealed(seal), .sealed(seal)]])
    func answers(outcomes: [ForwardOutcome]) throws {
        let answers = outcomes.enumerated().map { (name: UInt64($0 * 200 + 1), outcome: $1) }
        let clock = MonotonicInstant(nanoseconds: 123_456_789_012)
        var buffer = ByteBuffer()
        ForwardBatches.write(answers[...], clock: clock, to: &buffer)
        let expected = Ledger_Internal_ForwardResponse.with {
            $0.clock = clock.nanoseconds
            $0.answers.answers = answers.map { .init($0.name, $0.outcome) }
        }
        #expect(body(buffer) == expected.bytes)
        let decoded = try Ledger_Internal_ForwardResponse(serializedBytes: body(buffer))
        #expect(decoded.answers.answers.map(\.forwardOutcome) == outcomes)
        let read = ForwardBatches.answers(expected.bytes)
        if outcomes.count == Self.outcomes.count {
            #expect(read == nil)
        } else {
            #expect(read?.clock == clock)
            #expect(read?.answers.map(\.0.rawValue) == answers.map(\.name))
            #expect(read?.answers.map(\.1) == outcomes)
            // A later version may say more.
            #expect(ForwardBatches.answers(expected.bytes + [0x7A, 1, 0]) == nil)
        }
        for count in 0..<expected.bytes.count {
            #expect(ForwardBatches.answers(Array(expected.bytes.prefix(count))) == nil)
        }
    }
}
