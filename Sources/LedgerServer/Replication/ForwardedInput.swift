import GRPCCore
import LedgerAPI
import LedgerCore
import OTLPExport
import SwiftProtobuf

/// A message of another replica, decoded, its events checked and made ready to be sealed.
struct ForwardedInput: Sendable {
    /// Where these are events, they are in `events` alone, if at all.
    let content: Ledger_Internal_ForwardRequest.OneOf_Content?
    private(set) var events: [ForwardedSubmission]

    /// Decoding so many bytes takes the event loop less time than a hop to another thread is worth.
    static let maxInlineBytes = 16 << 10

    init(_ bytes: [UInt8]) throws(RPCError) {
        if let regular = try ForwardBatches.events(bytes) {
            content = .events(.init())
            events = regular
            return
        }
        self = try ForwardedInput(unproven: bytes)
        guard case .events(let batch)? = content else { return }
        var decoded: [ForwardedSubmission] = []
        for event in batch.events {
            decoded.append(
                try ForwardedSubmission(
                    token: event.token, stream: event.stream, entry: Array(event.entry)[...],
                    commitBy: event.commitBy, answerBy: event.answerBy,
                    traceParent: Array(event.traceParent)[...]))
        }
        events = decoded
    }

    /// As long as the sender has not shown who it is: no event is looked at.
    init(unproven bytes: [UInt8]) throws(RPCError) {
        do {
            content = try Ledger_Internal_ForwardRequest(serializedBytes: bytes).content
        } catch {
            throw RPCError(code: .invalidArgument, message: "the bytes are no message of a replica")
        }
        events = []
    }
}

/// A forwarded event, checked and made ready to be sealed: as the bytes that came.
struct ForwardedSubmission: Sendable {
    let token: UInt64
    let stream: UInt64
    let event: CertifiedEvent
    let template: EntryTemplate
    let commitBy: MonotonicInstant
    let answerBy: MonotonicInstant
    /// As the other replica wrote it, at most `SpanContext.byteCount` bytes; empty where it is not traced.
    let traceParent: [UInt8]

    /// - Parameters:
    ///   - commitBy: in nanoseconds on this replica's clock, as `answerBy`.
    ///   - traceParent: one that is longer than ours are is none.
    init(
        token: UInt64, stream: UInt64, entry: ArraySlice<UInt8>, commitBy: Int64, answerBy: Int64,
        traceParent: ArraySlice<UInt8> = []
    ) throws(RPCError) {
        do throws(FormatError) {
            let view = try EntryView(decoding: entry)
            event = Entry(view).event
            template = EntryTemplate(view)
        } catch {
            throw RPCError(
                code: .invalidArgument, message: "a forwarded entry: \(error.message)")
        }
        self.token = token
        self.stream = stream
        self.commitBy = MonotonicInstant(nanoseconds: commitBy)
        self.answerBy = MonotonicInstant(nanoseconds: answerBy)
        self.traceParent =
            traceParent.count > SpanContext.byteCount ? [] : Array(traceParent)
    }
}
