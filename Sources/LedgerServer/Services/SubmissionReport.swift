import Foundation
import GRPCCore
import GRPCProtobuf
package import LedgerAPI
package import LedgerCore
import SwiftProtobuf

/// What a caller is told of its submission: the sealed event, or an error that says whether it was sealed.
package enum SubmissionReport: Sendable {
    case sealed(Ledger_SealedEvent)
    /// `original` is the event that was sealed before, for a duplicate.
    case rejected(LedgerRPCError, eventID: String, original: Ledger_SealedEvent?)

    /// `grpc-status-details-bin` with an original has fewer bytes than this: gRPC clients refuse trailers of 8 to 16 KiB
    /// (design.md, "Outcomes").
    package static let maxDetailBytes = 4_096

    package init(_ outcome: LedgerCore.SubmissionOutcome, of event: CertifiedEvent) {
        let id = String(decoding: event.eventID.utf8, as: UTF8.self)
        switch outcome {
        case .sealed(let seal, let latency):
            self = .sealed(Ledger_SealedEvent(event, seal, latency: latency))
        case .duplicate(let original):
            let sealed = Ledger_SealedEvent(original)
            self = .rejected(
                .duplicateEvent(of: sealed.sequenceNumber), eventID: id, original: sealed)
        case .conflicting(let number, let differs):
            self = .rejected(
                .conflictingEvent(with: number, differs: differs), eventID: id, original: nil)
        case .notSealed(let reason):
            self = .rejected(.notSealed(reason), eventID: id, original: nil)
        case .unknown:
            self = .rejected(.outcomeUnknown, eventID: id, original: nil)
        }
    }

    /// The answer of `SubmitEvent`.
    ///
    /// - Throws: the rejection; the original of a duplicate is in its details, without payload and then without
    ///   metadata where it would be too long.
    package func unaryAnswer() throws(LedgerRPCError) -> Ledger_SealedEvent {
        switch self {
        case .sealed(let event):
            return event
        case .rejected(let error, _, nil):
            throw error
        case .rejected(let error, _, let original?):
            throw Self.carrying(original, by: error)
        }
    }

    /// The answer in a stream, with a duplicate's original complete.
    package var streamAnswer: Ledger_SubmitResult {
        switch self {
        case .sealed(let event):
            return .with { $0.sealed = event }
        case .rejected(let error, let eventID, let original):
            return .with {
                $0.rejection = .with {
                    $0.eventID = eventID
                    $0.code = Int32(error.code.rawValue)
                    $0.message = error.message
                    $0.reason = error.reason.rawValue
                    if let original { $0.original = original }
                }
            }
        }
    }

    private static func carrying(
        _ original: Ledger_SealedEvent, by error: LedgerRPCError
    ) -> LedgerRPCError {
        var event = original
        if let complete = fitting(event, error) { return complete }
        event.payload = .init()
        if let withMetadata = fitting(event, error) { return withMetadata }
        event.metadata = [:]
        return fitting(event, error) ?? error
    }

    private static func fitting(
        _ event: Ledger_SealedEvent, _ error: LedgerRPCError
    ) -> LedgerRPCError? {
        guard event.payload.count < maxDetailBytes,
            let any = try? Google_Protobuf_Any(message: event)
        else { return nil }
        let error = error.with(details: [any])
        return error.detailBytes < maxDetailBytes ? error : nil
    }
}

extension LedgerRPCError {
    /// The event was sealed before, under that number.
    static func duplicateEvent(of number: UInt64) -> Self {
        Self(
            .alreadyExists, .duplicateEvent,
            "this event is sealed already, as number \(number); nothing more is to be done",
            metadata: ["sequence_number": String(number)])
    }

    /// Another event has the id. The names of the fields that differ are in the text as well, for an answer in a stream
    /// has no ErrorInfo.
    static func conflictingEvent(
        with number: SequenceNumber, differs: ContentDifference
    ) -> Self {
        var metadata = ["sequence_number": String(number.rawValue)]
        var text = "another event with this event_id is sealed as number \(number)"
        if !differs.isEmpty {
            metadata["differs"] = differs.names.joined(separator: ",")
            text += ", and differs in \(differs.names.joined(separator: ", "))"
        }
        return Self(
            .alreadyExists, .conflictingEvent,
            "\(text); this one was not sealed: give it an event_id of its own",
            metadata: metadata)
    }

    /// Nothing certain can be said yet.
    static var outcomeUnknown: Self {
        Self(
            .deadlineExceeded, .outcomeUnknown,
            "the event was sent to the store, which has not answered in time; it may be sealed or "
                + "not: submit the same event again, which cannot seal it twice")
    }

    /// The event is certainly not sealed, and why.
    static func notSealed(_ reason: NotSealedReason) -> Self {
        switch reason {
        case .overloaded(let retryAfter):
            Self(
                .resourceExhausted, .overloaded,
                "more is waiting than can be sealed in time; the event was not sealed: submit it "
                    + "again later", retryDelay: retryAfter.duration)
        case .storageFull:
            Self(
                .resourceExhausted, .storageFull,
                "the store has no space left; the event was not sealed: an operator must enlarge or "
                    + "compact it", retryDelay: .seconds(10))
        case .deadlineExceeded:
            Self(
                .deadlineExceeded, .notSealed,
                "the event could not be sealed in time and was not sealed: submit it again",
                retryDelay: .milliseconds(50))
        case .storeUnavailable:
            unavailable("the store does not answer", .milliseconds(200))
        case .starting:
            unavailable("the ledger is still being loaded", .milliseconds(200))
        case .notSealing:
            unavailable("this replica does not seal for others", .milliseconds(50))
        case .stopping:
            unavailable("the replica is stopping", .milliseconds(50))
        case .clockUntrusted:
            unavailable(
                "this replica's clock disagrees with most of etcd's members", .seconds(1))
        case .clockUnsampled:
            unavailable(
                "this replica could not compare its clock with those of most of etcd's members "
                    + "lately", .seconds(1))
        case .noQuorum:
            unavailable("etcd has no quorum, or none that answers in time", .milliseconds(200))
        case .releaseRefused:
            unavailable(
                "a member of etcd runs a release that can lose committed transactions, and has to "
                    + "be upgraded", .seconds(5))
        case .unknownFormat:
            unavailable(
                "a newer version writes this ledger, to which this replica has to be upgraded",
                .milliseconds(500))
        case .lookupFailed:
            unavailable(
                "it could not be checked whether the event_id is sealed already",
                .milliseconds(200))
        case .rolledBack:
            Self(
                .failedPrecondition, .ledgerRolledBack,
                "the store no longer holds what was sealed; the event was not sealed, and nothing "
                    + "will be until an operator has decided")
        }
    }

    private static func unavailable(_ what: String, _ delay: Duration) -> Self {
        Self(
            .unavailable, .notSealed,
            "\(what); the event was not sealed: submit it again", retryDelay: delay)
    }

    /// How many bytes `grpc-status-details-bin` has before it is written as base64.
    var detailBytes: Int {
        let bytes: [UInt8]? = try? googleRPCStatus.serializedBytes()
        return bytes?.count ?? .max
    }

    /// The same error with further details.
    func with(details: [Google_Protobuf_Any]) -> Self {
        Self(
            code, reason, message, fieldViolations: fieldViolations, retryDelay: retryDelay,
            metadata: metadata, extraDetails: extraDetails + details)
    }
}
