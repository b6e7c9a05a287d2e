import GRPCCore
import GRPCEdge
import LedgerAPI
import LedgerCore
import SwiftProtobuf

/// One message of a submitting call, decoded as far as that is little work.
package enum SubmittedMessage: Sendable {
    case submission(SubmittedEvent)
    /// Large: to be decoded on the pool, with `decode`.
    case encoded([UInt8])
    /// This event is refused; in a stream, others are not.
    case refused(LedgerRPCError, eventID: String)
    /// No message at all: the call ends with this.
    case broken(LedgerRPCError)

    /// The longest message that is decoded where it is read: more would hold up all other calls.
    private static let maxInlineBytes = 8_192

    /// - Parameter limits: what an event may have, for the messages.
    init(_ bytes: [UInt8], _ limits: EventLimits, _ edge: EdgeLimits) {
        if bytes.count > Self.maxInlineBytes {
            self = .encoded(bytes)
        } else if let marker = EdgeMarker(bytes) {
            self = Self.marked(marker, limits, edge)
        } else {
            self = Self.decode(bytes)
        }
    }

    /// Decodes a message, however large.
    package static func decode(_ bytes: [UInt8]) -> SubmittedMessage {
        if let event = SubmittedEvent(regular: bytes) { return .submission(event) }
        let scan = SubmissionScan(bytes)
        guard scan.metadataCount <= EventLimits.maxMetadataEntries else {
            return .refused(
                .invalidEvent(
                    field: "metadata",
                    "must have at most \(EventLimits.maxMetadataEntries) entries; "
                        + "it has \(scan.metadataCount)"),
                eventID: String(decoding: scan.eventID, as: UTF8.self))
        }
        guard let submission = try? Ledger_Internal_Submission(serializedBytes: bytes) else {
            return .broken(
                LedgerRPCError(
                    .invalidArgument, .invalidEvent,
                    "the message does not decode as a CertifiedEvent; the event was not sealed"))
        }
        return .submission(SubmittedEvent(submission))
    }

    private static func marked(
        _ marker: EdgeMarker, _ limits: EventLimits, _ edge: EdgeLimits
    ) -> SubmittedMessage {
        switch marker {
        case .oversized(let length, let start):
            .refused(
                .invalidEvent(
                    field: "payload",
                    "the event has more than \(ImmutableLedgerService.maxSubmissionBytes) bytes as "
                        + "a message (\(length)); a payload may have \(limits.maxPayloadBytes)"),
                eventID: String(decoding: SubmissionScan(start).eventID, as: UTF8.self))
        case .broken(let refusal):
            .broken(
                .refused(refusal, of: ImmutableLedgerService.submissionShape, limits: edge))
        }
    }

    /// How many bytes the message has, about.
    var byteCount: Int {
        switch self {
        case .submission(let event): event.byteCount
        case .encoded(let bytes): bytes.count
        case .refused, .broken: 0
        }
    }
}

/// Takes a submitting call's messages from the gRPC library. It never fails: what is wrong with a message is said
/// where the answers are given, in their order.
struct SubmissionDeserializer: MessageDeserializer {
    let limits: EventLimits
    let edge: EdgeLimits

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> SubmittedMessage {
        bytes.withUnsafeBytes { SubmittedMessage(Array($0), limits, edge) }
    }
}
