import GRPCCore
import LedgerAPI
import LedgerCore
import NIOCore
import SwiftProtobuf

/// The two messages of `forwarding.proto` that there are many of, written and read without an object for each event: what
/// stands on the wire is what protobuf's own code writes, and what is anything else its own code reads.
enum ForwardBatches {
    private typealias Fields = ProtobufFields

    // MARK: Events

    /// Appends a `ForwardRequest` with events as a gRPC message.
    ///
    /// - Parameter ahead: how far the receiver's clock is ahead of this one's.
    static func write(
        _ events: ArraySlice<Submission>, clockAhead ahead: Nanoseconds, to buffer: inout ByteBuffer
    ) {
        let counts = events.map { byteCount(of: $0, ahead) }
        let batch = counts.reduce(0) { $0 + Fields.bytesCount($1) }
        let message = Fields.bytesCount(batch)
        buffer.reserveCapacity(minimumWritableBytes: SealedEventBytes.prefixBytes + message)
        SealedEventBytes.writePrefix(message, to: &buffer)
        Fields.writeTag(2, length: batch, to: &buffer)
        for (submission, count) in zip(events, counts) {
            Fields.writeTag(1, length: count, to: &buffer)
            Fields.write(1, submission.token.rawValue, to: &buffer)
            Fields.write(2, submission.stream?.rawValue ?? 0, to: &buffer)
            Fields.write(3, submission.template.unsealed, to: &buffer)
            Fields.write(4, bits(submission.commitBy + ahead), to: &buffer)
            Fields.write(5, bits(submission.answerBy + ahead), to: &buffer)
            if let trace = submission.trace { Fields.write(6, trace.traceParent, to: &buffer) }
        }
    }

    private static func byteCount(of submission: Submission, _ ahead: Nanoseconds) -> Int {
        Fields.integerCount(submission.token.rawValue)
            + Fields.integerCount(submission.stream?.rawValue ?? 0)
            + Fields.bytesCount(submission.byteCount)
            + Fields.integerCount(bits(submission.commitBy + ahead))
            + Fields.integerCount(bits(submission.answerBy + ahead))
            + (submission.trace.map { Fields.bytesCount($0.traceParent.count) } ?? 0)
    }

    private static func bits(_ instant: MonotonicInstant) -> UInt64 {
        UInt64(bitPattern: instant.nanoseconds)
    }

    /// The events of a `ForwardRequest` that has nothing else; nil for any other message.
    ///
    /// - Throws: what is wrong with an entry.
    static func events(_ message: [UInt8]) throws(RPCError) -> [ForwardedSubmission]? {
        var reader = ProtobufReader(bytes: message[...])
        guard reader.next() == 0x12, let batch = reader.field(), reader.bytes.isEmpty else {
            return nil
        }
        var events: [ForwardedSubmission] = []
        reader = ProtobufReader(bytes: batch)
        while let tag = reader.next() {
            guard tag == 0x0A, let bytes = reader.field(), let event = try event(bytes) else {
                return nil
            }
            events.append(event)
        }
        return events
    }

    private static func event(
        _ bytes: ArraySlice<UInt8>
    ) throws(RPCError) -> ForwardedSubmission? {
        var reader = ProtobufReader(bytes: bytes)
        var entry: ArraySlice<UInt8> = []
        var traceParent: ArraySlice<UInt8> = []
        var (token, stream, commitBy, answerBy) = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        while let tag = reader.next() {
            if tag == 0x1A || tag == 0x32 {
                guard let value = reader.field() else { return nil }
                if tag == 0x1A { entry = value } else { traceParent = value }
                continue
            }
            guard let value = reader.varint() else { return nil }
            switch tag {
            case 0x08: token = value
            case 0x10: stream = value
            case 0x20: commitBy = value
            case 0x28: answerBy = value
            default: return nil
            }
        }
        return try ForwardedSubmission(
            token: token, stream: stream, entry: entry, commitBy: Int64(bitPattern: commitBy),
            answerBy: Int64(bitPattern: answerBy), traceParent: traceParent)
    }

    // MARK: Answers

    /// Appends a `ForwardResponse` with answers as a gRPC message.
    static func write(
        _ answers: ArraySlice<(name: UInt64, outcome: ForwardOutcome)>, clock: MonotonicInstant,
        to buffer: inout ByteBuffer
    ) {
        var batch = ByteBuffer()
        batch.reserveCapacity(answers.count * 110)
        for (name, outcome) in answers { write(name, outcome, to: &batch) }
        let message = Fields.integerCount(bits(clock)) + Fields.bytesCount(batch.readableBytes)
        SealedEventBytes.writePrefix(message, to: &buffer)
        Fields.write(1, bits(clock), to: &buffer)
        Fields.writeTag(3, length: batch.readableBytes, to: &buffer)
        buffer.writeImmutableBuffer(batch)
    }

    private static func write(
        _ name: UInt64, _ outcome: ForwardOutcome, to buffer: inout ByteBuffer
    ) {
        guard case .sealed(let seal) = outcome else {
            let bytes = Ledger_Internal_ForwardAnswer(name, outcome).bytes
            Fields.writeTag(1, length: bytes.count, to: &buffer)
            buffer.writeBytes(bytes)
            return
        }
        let time = UInt64(bitPattern: seal.sealedTimestamp)
        let count =
            Fields.integerCount(seal.sequenceNumber.rawValue) + Fields.integerCount(time)
            + 2 * Fields.bytesCount(Digest.byteCount)
        Fields.writeTag(
            1, length: Fields.integerCount(name) + Fields.bytesCount(count), to: &buffer)
        Fields.write(1, name, to: &buffer)
        Fields.writeTag(2, length: count, to: &buffer)
        Fields.write(1, seal.sequenceNumber.rawValue, to: &buffer)
        write(2, seal.eventHash, to: &buffer)
        write(3, seal.previousHash, to: &buffer)
        Fields.write(4, time, to: &buffer)
    }

    private static func write(_ field: Int, _ hash: EventHash, to buffer: inout ByteBuffer) {
        Fields.writeTag(field, length: Digest.byteCount, to: &buffer)
        hash.withUnsafeBytes { _ = buffer.writeBytes($0) }
    }

    /// The clock and the answers of a `ForwardResponse` in which everything is sealed; nil for any other message.
    static func answers(
        _ message: [UInt8]
    ) -> (clock: MonotonicInstant, answers: [(SubmissionToken, ForwardOutcome)])? {
        var reader = ProtobufReader(bytes: message[...])
        guard reader.next() == 0x08, let clock = reader.varint(), reader.next() == 0x1A,
            let batch = reader.field(), reader.bytes.isEmpty
        else { return nil }
        var answers: [(SubmissionToken, ForwardOutcome)] = []
        reader = ProtobufReader(bytes: batch)
        while let tag = reader.next() {
            guard tag == 0x0A, let bytes = reader.field(), let answer = answer(bytes) else {
                return nil
            }
            answers.append(answer)
        }
        return (MonotonicInstant(nanoseconds: Int64(bitPattern: clock)), answers)
    }

    private static func answer(
        _ bytes: ArraySlice<UInt8>
    ) -> (SubmissionToken, ForwardOutcome)? {
        var reader = ProtobufReader(bytes: bytes)
        guard reader.next() == 0x08, let name = reader.varint(), reader.next() == 0x12,
            let sealed = reader.field(), reader.bytes.isEmpty, let seal = seal(sealed)
        else { return nil }
        return (SubmissionToken(rawValue: name), .sealed(seal))
    }

    private static func seal(_ bytes: ArraySlice<UInt8>) -> Seal? {
        var reader = ProtobufReader(bytes: bytes)
        guard reader.next() == 0x08, let number = reader.varint(), reader.next() == 0x12,
            let eventHash = reader.field().flatMap({ EventHash(bytes: $0) }),
            reader.next() == 0x1A,
            let previousHash = reader.field().flatMap({ EventHash(bytes: $0) }),
            reader.next() == 0x20, let time = reader.varint(), reader.bytes.isEmpty
        else { return nil }
        return Seal(
            sequenceNumber: SequenceNumber(rawValue: number), eventHash: eventHash,
            previousHash: previousHash, sealedTimestamp: Int64(bitPattern: time))
    }
}
