internal import GRPCCore
internal import LedgerAPI
internal import LedgerClient
internal import NIOCore
internal import SwiftProtobuf

/// Says what an answer of a server means for the event that it was given to.
struct BenchJudge: Sendable {
    typealias Outcome = BenchConnection.Sample.Outcome

    /// The server, for the text of errors.
    let service: String
    /// Nil where hashes are not checked.
    private let checker: EventChecker?

    init(service: String, checksHashes: Bool) {
        self.service = service
        checker = checksHashes ? EventChecker(checksHashes: true, service: service) : nil
    }

    /// What a call's failure says.
    func outcome(_ error: any Error) -> Outcome {
        let failure = LedgerError.submission(error, wasSent: true, service: service)
        switch failure.kind {
        case .cancelled: return .unanswered
        // A status that no ledger gave.
        case .outcomeUnknown where (error as? RPCError)?.code == .unavailable: return .lost
        default: return .other(failure.name)
        }
    }

    /// What an answer of a stream says.
    func outcome(_ answer: Ledger_SubmitResult) -> Outcome {
        switch answer.result {
        case .sealed(let event):
            return outcome(event, nil)
        case .rejection(let rejection):
            let answer = ErrorAnswer(rejection)
            return .other(LedgerError.submission(answer, service: service).name)
        case nil:
            return .other("outcome_unknown")
        }
    }

    /// What a sealed event says; where it is known, it has to have the submitted event's id.
    func outcome(_ answer: Ledger_SealedEvent, _ id: String?) -> Outcome {
        if let checker {
            let isOther = id.map { $0 != answer.eventID } ?? false
            if isOther || (try? checker.checked(SealedEvent(answer))) == nil {
                return .other("corrupt")
            }
        }
        return .sealed(commitLatencyMs: answer.commitLatencyMs)
    }

    // MARK: Answers as bytes

    /// What the bytes of a `SubmitResult` say about the event with the id.
    func result(_ message: ByteBuffer, for id: [UInt8]) -> Outcome {
        var rest = message
        if let field = ProtobufField(from: &rest), field.number == 1, rest.readableBytes == 0,
            case .bytes(let event) = field.value
        {
            return sealed(event, as: id)
        }
        guard
            let result = try? Ledger_SubmitResult(serializedBytes: Array(message.readableBytesView))
        else { return .other("corrupt") }
        return outcome(result)
    }

    /// What the bytes of a `SealedEvent` say: it has to have a number, and the submitted event's id. Where hashes are
    /// not checked, nothing else of it is decoded.
    func sealed(_ message: ByteBuffer, as id: [UInt8]) -> Outcome {
        if checker != nil {
            guard
                let event = try? Ledger_SealedEvent(
                    serializedBytes: Array(message.readableBytesView))
            else { return .other("corrupt") }
            return outcome(event, String(decoding: id, as: UTF8.self))
        }
        var number: UInt64 = 0
        var isSame = false
        var latency: UInt64 = 0
        var rest = message
        while rest.readableBytes > 0 {
            guard let field = ProtobufField(from: &rest) else { return .other("corrupt") }
            switch (field.number, field.value) {
            case (1, .integer(let value)): number = value
            case (2, .bytes(let value)): isSame = value.readableBytesView.elementsEqual(id)
            case (7, .integer(let value)): latency = value
            default: break
            }
        }
        guard number > 0, isSame else { return .other("corrupt") }
        return .sealed(commitLatencyMs: Int64(clamping: latency))
    }
}

/// A field of a message in protobuf's encoding, of the two kinds that answers have.
private struct ProtobufField {
    enum Value {
        case integer(UInt64)
        case bytes(ByteBuffer)
    }

    let number: UInt64
    let value: Value

    /// Takes out the next field; nil where there is none, or none of the two kinds.
    init?(from bytes: inout ByteBuffer) {
        guard let tag = Self.varint(&bytes), let content = Self.varint(&bytes) else { return nil }
        number = tag >> 3
        switch tag & 7 {
        case 0: value = .integer(content)
        case 2:
            guard content <= UInt64(bytes.readableBytes),
                let slice = bytes.readSlice(length: Int(content))
            else { return nil }
            value = .bytes(slice)
        default: return nil
        }
    }

    private static func varint(_ bytes: inout ByteBuffer) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = bytes.readInteger(as: UInt8.self) else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
