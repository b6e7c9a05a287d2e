internal import GRPCCore
internal import GRPCNIOTransportHTTP2
internal import LedgerAPI
internal import LedgerClient

/// One connection of the load generator: the generated stub alone, without retries and checks.
struct BenchConnection: Sendable {
    typealias Stub = Ledger_ImmutableLedger.Client<HTTP2ClientTransport.Posix>

    let stub: Stub
    let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let metadata: Metadata
    private let checker: EventChecker?
    private let service: String
    private let contractMs: Int64

    init(plan: BenchPlan) throws(LedgerError) {
        let transport = try LedgerTransport.make(address: plan.address, security: plan.security)
        client = GRPCClient(transport: transport)
        stub = Stub(wrapping: client)
        // The header alone: a timer of the library for each call would cost more than the call.
        metadata = ["grpc-timeout": "\(plan.deadlineMs)m"]
        service = plan.address.description
        checker = plan.checksHashes ? EventChecker(checksHashes: true, service: service) : nil
        contractMs = plan.contractMs
    }

    /// Submits an event alone, and counts the answer where it is measured.
    func submit(_ run: BenchRun, from begin: UInt64, into tally: (Sample) -> Void) async {
        let event = run.nextEvent()
        let outcome: Sample.Outcome
        do {
            let answer = try await stub.submitEvent(
                request: ClientRequest(message: event, metadata: metadata))
            outcome = sealedOutcome(answer, event)
        } catch {
            let failure = LedgerError.submission(error, wasSent: true, service: service)
            outcome = failure.kind == .cancelled ? .unanswered : .other(failure.name)
        }
        guard run.isMeasured(beganAt: begin) else { return }
        tally(Sample(microseconds: BenchClock.microseconds - begin, outcome: outcome))
    }

    /// What an answer of a stream says.
    func outcome(_ answer: Ledger_SubmitResult) -> Sample.Outcome {
        switch answer.result {
        case .sealed(let event):
            return sealedOutcome(event, nil)
        case .rejection(let rejection):
            let answer = ErrorAnswer(rejection)
            return .other(LedgerError.submission(answer, service: service).name)
        case nil:
            return .other("outcome_unknown")
        }
    }

    private func sealedOutcome(
        _ answer: Ledger_SealedEvent, _ event: Ledger_CertifiedEvent?
    ) -> Sample.Outcome {
        if let checker {
            let sealed = SealedEvent(answer)
            let isOther = event.map { $0.eventID != answer.eventID } ?? false
            if isOther || (try? checker.checked(sealed)) == nil { return .other("corrupt") }
        }
        return .sealed(commitLatencyMs: answer.commitLatencyMs)
    }

    /// One measured event.
    struct Sample {
        enum Outcome {
            case sealed(commitLatencyMs: Int64)
            case other(String)
            /// The run ended before the answer came.
            case unanswered
        }

        let microseconds: UInt64
        let outcome: Outcome
    }
}

extension BenchTally {
    /// Counts a measured event.
    mutating func record(_ sample: BenchConnection.Sample, contractMs: Int64) {
        switch sample.outcome {
        case .sealed(let commitLatencyMs):
            recordSealed(
                microseconds: sample.microseconds, commitLatencyMs: commitLatencyMs,
                contractMs: contractMs)
        case .other(let name):
            record(name, microseconds: sample.microseconds)
        case .unanswered:
            recordUnanswered(1)
        }
    }
}
