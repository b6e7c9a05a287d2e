import GRPCCore
import GRPCProtobuf
import LedgerAPI
import LedgerCore
import SwiftProtobuf

/// A message of another replica as it came. A large one is decoded on the pool, where it holds up nobody.
enum ForwardedInput: Sendable {
    case message(Ledger_Internal_ForwardRequest)
    case bytes([UInt8])

    /// Decoding so many bytes takes the event loop less time than a hop to another thread is worth.
    static let maxInlineBytes = 16 << 10

    struct Deserializer: MessageDeserializer {
        func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> ForwardedInput {
            let count = bytes.withUnsafeBytes { $0.count }
            guard count > ForwardedInput.maxInlineBytes else {
                return .message(
                    try ProtobufDeserializer<Ledger_Internal_ForwardRequest>().deserialize(bytes))
            }
            return .bytes(bytes.withUnsafeBytes { Array($0) })
        }
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

    init(_ forwarded: Ledger_Internal_ForwardedEvent) throws(RPCError) {
        do throws(FormatError) {
            let view = try EntryView(decoding: Array(forwarded.entry)[...])
            event = Entry(view).event
            template = EntryTemplate(view)
        } catch {
            throw RPCError(
                code: .invalidArgument, message: "a forwarded entry: \(error.message)")
        }
        token = forwarded.token
        stream = forwarded.stream
        commitBy = MonotonicInstant(nanoseconds: forwarded.commitBy)
        answerBy = MonotonicInstant(nanoseconds: forwarded.answerBy)
    }
}
