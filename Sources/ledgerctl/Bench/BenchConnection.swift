internal import EventLoopTasks
internal import GRPCCore
internal import GRPCNIOTransportHTTP2
internal import LedgerAPI
internal import LedgerClient

/// One connection of the load generator: the generated stub alone, without retries and checks.
struct BenchConnection: Sendable {
    typealias Stub = Ledger_ImmutableLedger.Client<HTTP2ClientTransport.Posix>

    /// Who found no server asks again after this: without a pause a loop would spin.
    static let lostPause = Duration.milliseconds(100)

    let stub: Stub
    let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let metadata: Metadata
    private let checker: EventChecker?
    let service: String
    private let contractMs: Int64

    init(to address: ServerAddress, plan: BenchPlan) throws(LedgerError) {
        let transport = try LedgerTransport.make(
            address: address, security: plan.security, eventLoopGroup: Reactor.group)
        client = GRPCClient(transport: transport)
        stub = Stub(wrapping: client)
        // The header alone: a timer of the library for each call would cost more than the call.
        metadata = ["grpc-timeout": "\(plan.deadlineMs)m"]
        service = address.description
        checker = plan.checksHashes ? EventChecker(checksHashes: true, service: service) : nil
        contractMs = plan.contractMs
    }

    /// Submits an event alone, and counts the answer where it is measured.
    ///
    /// - Returns: Whether the server can be reached.
    @discardableResult
    func submit(_ run: BenchRun, from begin: UInt64, into tally: (Sample) -> Void) async -> Bool {
        let event = run.nextEvent()
        let outcome: Sample.Outcome
        do {
            let answer = try await stub.submitEvent(
                request: ClientRequest(message: event, metadata: metadata))
            outcome = sealedOutcome(answer, event)
        } catch {
            outcome = self.outcome(error)
        }
        if run.isMeasured(beganAt: begin) {
            tally(Sample(microseconds: BenchClock.microseconds - begin, outcome: outcome))
        }
        if case .lost = outcome { return false }
        return true
    }

    /// What a call's failure says.
    func outcome(_ error: any Error) -> Sample.Outcome {
        let failure = LedgerError.submission(error, wasSent: true, service: service)
        switch failure.kind {
        case .cancelled: return .unanswered
        // A status that no ledger gave.
        case .outcomeUnknown where (error as? RPCError)?.code == .unavailable: return .lost
        default: return .other(failure.name)
        }
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
            /// The connection broke, or there is none.
            case lost
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
        case .lost:
            recordLost(1)
        case .unanswered:
            recordUnanswered(1)
        }
    }
}
