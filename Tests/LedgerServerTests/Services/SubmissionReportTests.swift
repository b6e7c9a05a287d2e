import Foundation
import GRPCCore
import GRPCEdge
import GRPCProtobuf
import LedgerAPI
import LedgerCore
import SwiftProtobuf
import Testing

@testable import LedgerServer

@Suite("What a caller is told of a submission")
struct SubmissionReportTests {
    private func event(
        payload: Int = 0, metadata: Int = 0
    ) throws -> CertifiedEvent {
        try CertifiedEvent(
            eventID: Array("an-event".utf8), payload: Array(repeating: 7, count: payload),
            vepsSignature: [], vepsTimestamp: 1_702_234_567_890,
            metadata: (0..<metadata).map {
                MetadataEntry(key: Array("key-\($0)".utf8), value: Array(repeating: 65, count: 200))
            }, submitter: [], limits: EventLimits())
    }

    private func duplicate(_ event: CertifiedEvent) throws -> LedgerRPCError {
        let original = SealedEntry(
            entry: Entry(
                sequenceNumber: 7, event: event, sealedTimestamp: 1, previousHash: .zero),
            eventHash: .zero)
        let report = SubmissionReport(.duplicate(of: original), of: event)
        return try rejection(report)
    }

    private func rejection(_ report: SubmissionReport) throws -> LedgerRPCError {
        let error = #expect(throws: LedgerRPCError.self) { try report.unaryAnswer() }
        return try #require(error)
    }

    private func original(_ error: LedgerRPCError) throws -> Ledger_SealedEvent {
        try Ledger_SealedEvent(unpackingAny: try #require(error.extraDetails.first))
    }

    /// The bytes that are sent.
    private func detailBytes(_ error: LedgerRPCError) throws -> Int {
        let values = error.rpcErrorMetadata[binaryValues: "grpc-status-details-bin"]
        return try #require(values.first { _ in true }).count
    }

    @Test("a duplicate's original is complete up to the last byte below 4 KiB of details")
    func completeOriginal() throws {
        var lengths: Set<Int> = []
        for payload in 3_500..<4_096 {
            let error = try duplicate(try event(payload: payload))
            let sent = try original(error)
            if sent.payload.count == payload { lengths.insert(try detailBytes(error)) }
            #expect(try detailBytes(error) < 4_096)
        }
        #expect(lengths.max() == 4_095)
    }

    @Test("above, the payload is left out, and then the metadata")
    func shortened() throws {
        let long = try original(try duplicate(try event(payload: 5_000, metadata: 4)))
        #expect(long.payload.isEmpty)
        #expect(long.metadata.count == 4)
        let longer = try original(try duplicate(try event(payload: 10, metadata: 32)))
        #expect(longer.payload.isEmpty)
        #expect(longer.metadata.isEmpty)
        #expect(longer.sequenceNumber == 7)
    }

    /// The RetryInfo as it is sent.
    private func retryDelay(_ error: LedgerRPCError) -> Duration? {
        error.googleRPCStatus.details.lazy.compactMap(\.retryInfo).first?.delay
    }

    @Test(
        "whoever may submit again is told when, also after a deadline",
        arguments: [
            NotSealedReason.overloaded(retryAfter: .milliseconds(7)), .storageFull,
            .deadlineExceeded, .storeUnavailable, .starting, .notSealing, .stopping,
            .clockUntrusted, .clockUnsampled, .noQuorum, .releaseRefused, .unknownFormat,
            .lookupFailed,
        ])
    func retryInfo(_ reason: NotSealedReason) throws {
        let error = try rejection(SubmissionReport(.notSealed(reason), of: try event()))
        #expect(try #require(retryDelay(error)) > .zero)
    }

    @Test("where only an operator helps, or nothing is known, no time is named")
    func noRetryInfo() throws {
        let outcomes: [SubmissionOutcome] = [
            .notSealed(.rolledBack), .unknown, .conflicting(with: 7, differs: []),
        ]
        for outcome in outcomes {
            #expect(retryDelay(try rejection(SubmissionReport(outcome, of: try event()))) == nil)
        }
    }

    @Test("a submission whose request did not come in time was not sealed, and may come again")
    func incompleteRequest() {
        let limits = EdgeLimits()
        for isSubmission in [true, false] {
            let shape = CallShape(isSubmission: isSubmission, maxMessageBytes: 1)
            let error = LedgerRPCError.refused(.requestTimeout, of: shape, limits: limits)
            #expect(error.code == .deadlineExceeded)
            let reason: ErrorReason = isSubmission ? .notSealed : .deadlineExceeded
            #expect(error.reason == reason)
            #expect((retryDelay(error) != nil) == isSubmission)
        }
    }

    @Test("a conflict names the fields that differ, and nothing of their content")
    func differs() throws {
        let event = try event(payload: 3)
        let outcome = SubmissionOutcome.conflicting(
            with: 7, differs: [.metadata, .payload, .vepsTimestamp])
        let report = SubmissionReport(outcome, of: event)
        let error = try rejection(report)
        #expect(error.reason == .conflictingEvent)
        #expect(
            error.metadata
                == ["sequence_number": "7", "differs": "payload,veps_timestamp,metadata"])
        // An answer in a stream has no ErrorInfo.
        let text = report.streamAnswer.rejection.message
        #expect(text.contains("differs in payload, veps_timestamp, metadata"))
        // A sealing replica of an older version does not say.
        let unknown = SubmissionReport(.conflicting(with: 7, differs: []), of: event)
        let bare = try rejection(unknown)
        #expect(bare.metadata == ["sequence_number": "7"])
        #expect(!bare.message.contains("differs"))
    }
}
