import GRPCCore
import GRPCProtobuf
import LedgerAPI
import LedgerClient
import Testing

@Suite("What an unsuccessful answer to a submission means")
struct LedgerErrorTests {
    private static let original = SealedEvent(
        sequenceNumber: 3, eventID: "e", payload: [1], eventHash: "a", previousHash: "b",
        sealedTimestamp: 5)

    private func classify(_ error: any Error, wasSent: Bool = true) -> LedgerError {
        LedgerError.submission(error, wasSent: wasSent, service: "ledger:50051")
    }

    @Test(
        "Every row of the table of outcomes",
        arguments: [
            (RPCError.Code.invalidArgument, "INVALID_EVENT", "invalid", SealedState.no),
            (.resourceExhausted, "OVERLOADED", "overloaded", .no),
            (.resourceExhausted, "STORAGE_FULL", "storage_full", .no),
            (.unavailable, "NOT_SEALED", "not_sealed", .no),
            (.deadlineExceeded, "NOT_SEALED", "not_sealed", .no),
            (.alreadyExists, "CONFLICTING_EVENT", "conflicting", .no),
            (.unauthenticated, "NOT_AUTHENTICATED", "not_authenticated", .no),
            (.permissionDenied, "NOT_ALLOWED", "not_allowed", .no),
            (.permissionDenied, "BAD_SIGNATURE", "bad_signature", .no),
            (.failedPrecondition, "LEDGER_ROLLED_BACK", "rolled_back", .no),
            (.deadlineExceeded, "OUTCOME_UNKNOWN", "outcome_unknown", .unknown),
        ])
    func table(code: RPCError.Code, reason: String, name: String, sealed: SealedState) {
        let error = classify(RPCError(ledgerError(code, reason)))
        #expect(error.name == name)
        #expect(error.sealed == sealed)

        var rejection = Ledger_Rejection()
        rejection.code = Int32(code.rawValue)
        rejection.reason = reason
        let rejected = LedgerError.submission(ErrorAnswer(rejection), service: "s")
        #expect(rejected.name == name)
        #expect(rejected.sealed == sealed)
    }

    @Test("A duplicate brings the event that was sealed")
    func duplicate() {
        let status = ledgerError(.alreadyExists, "DUPLICATE_EVENT", original: Self.original)
        let error = classify(RPCError(status))
        #expect(error.kind == .duplicate(original: Self.original))
        #expect(error.sealed == .yes)
    }

    @Test(
        "A conflict says which fields differ",
        arguments: [
            ("veps_timestamp", ["veps_timestamp"]),
            ("payload,veps_timestamp,metadata", ["payload", "veps_timestamp", "metadata"]),
            ("payload, metadata", ["payload", "metadata"]), ("", []),
        ])
    func conflict(differs: String, fields: [String]) {
        let status = ledgerError(
            .alreadyExists, "CONFLICTING_EVENT", metadata: ["differs": differs])
        let error = classify(RPCError(status))
        #expect(error.kind == .conflicting)
        #expect(error.differingFields == fields)
    }

    @Test("A duplicate without the event leaves the outcome unknown")
    func duplicateWithoutOriginal() {
        let error = classify(RPCError(ledgerError(.alreadyExists, "DUPLICATE_EVENT")))
        #expect(error.kind == .outcomeUnknown)
        #expect(error.sealed == .unknown)
    }

    @Test("Details bring the time to wait and the fields that were refused")
    func details() {
        let overloaded = classify(
            RPCError(ledgerError(.resourceExhausted, "OVERLOADED", retryAfter: .milliseconds(40))))
        #expect(overloaded.retryAfter == .milliseconds(40))
        let invalid = classify(
            RPCError(
                ledgerError(
                    .invalidArgument, "INVALID_EVENT",
                    violations: [.init(field: "event_id", description: "is empty")])))
        let violation = FieldViolation(field: "event_id", explanation: "is empty")
        #expect(invalid.kind == .invalid(violations: [violation]))
    }

    @Test(
        "Without the service's own reason nothing is certain",
        arguments: [
            RPCError.Code.unavailable, .deadlineExceeded, .invalidArgument, .resourceExhausted,
            .alreadyExists, .internalError, .unknown, .unimplemented, .permissionDenied,
            .cancelled, .failedPrecondition, .aborted,
        ])
    func withoutReason(code: RPCError.Code) {
        let bare = classify(RPCError(code: code, message: "from a proxy"))
        #expect(bare.kind == .outcomeUnknown)
        #expect(bare.sealed == .unknown)
        let foreign = classify(RPCError(ledgerError(code, "OVERLOADED", domain: "proxy")))
        #expect(foreign.sealed == .unknown)
        let unheardOf = classify(RPCError(ledgerError(code, "SOMETHING_NEW")))
        #expect(unheardOf.sealed == .unknown)
    }

    @Test("Details that do not decode count as absent")
    func brokenDetails() {
        let error = RPCError(
            code: .resourceExhausted, message: "",
            metadata: ["grpc-status-details-bin": .binary([0xFF, 0xFF, 0xFF])])
        #expect(classify(error).sealed == .unknown)
    }

    @Test("What was never handed to the transport is certainly not sealed")
    func neverSent() {
        let error = classify(RPCError(code: .unavailable, message: "refused"), wasSent: false)
        #expect(error.kind == .unavailable)
        #expect(error.sealed == .no)
        #expect(error.description.contains("and nothing was sent"))
        let stopped = RuntimeError(code: .clientIsStopped, message: "stopped")
        #expect(classify(stopped, wasSent: false).sealed == .no)
    }

    @Test("A cancelled call says whether it was cancelled in time")
    func cancelled() {
        #expect(classify(CancellationError()).sealed == .unknown)
        #expect(classify(CancellationError(), wasSent: false).sealed == .no)
        #expect(classify(CancellationError()).kind == .cancelled)
    }

    @Test("The service's text is for the caller and stands as it is")
    func serviceText() {
        var status = ledgerError(.resourceExhausted, "OVERLOADED")
        status.message = "Too much to do. The event was not sealed. Submit it again."
        #expect(classify(RPCError(status)).description == status.message)
    }

    @Test(
        "Reads",
        arguments: [
            (RPCError.Code.notFound, "NOT_FOUND", "not_found"), (.dataLoss, "CORRUPT", "corrupt"),
            (.invalidArgument, "INVALID_ARGUMENT", "invalid"), (.outOfRange, "X", "out_of_range"),
            (.failedPrecondition, "NO_SIGNING_KEY", "no_signing_key"),
            (.unavailable, "NOT_YET_COVERED", "not_yet_covered"),
            (.unavailable, "X", "unavailable"),
        ])
    func reads(code: RPCError.Code, reason: String, name: String) {
        let error = LedgerError.read(RPCError(ledgerError(code, reason)), service: "s")
        #expect(error.name == name)
        #expect(error.sealed == nil)
    }

    @Test("A proxy's NOT_FOUND does not say that there is no such event")
    func foreignNotFound() {
        let error = LedgerError.read(RPCError(code: .notFound, message: ""), service: "s")
        #expect(error.kind == .unexpected)
    }
}
