internal import EventLoopTasks
internal import GRPCCore
internal import GRPCNIOTransportHTTP2
internal import LedgerAPI
internal import LedgerClient

/// One connection of the load generator over the gRPC library: the generated stub alone, without retries.
struct BenchConnection: Sendable {
    typealias Stub = Ledger_ImmutableLedger.Client<HTTP2ClientTransport.Posix>

    /// Who found no server asks again after this: without a pause a loop would spin.
    static let lostPause = Duration.milliseconds(100)

    let stub: Stub
    let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let metadata: Metadata
    let judge: BenchJudge
    let service: String

    init(to address: ServerAddress, plan: BenchPlan) throws(LedgerError) {
        let transport = try LedgerTransport.make(
            address: address, security: plan.security, eventLoopGroup: Reactor.group)
        client = GRPCClient(transport: transport)
        stub = Stub(wrapping: client)
        // The header alone: a timer of the library for each call would cost more than the call.
        metadata = ["grpc-timeout": "\(plan.deadlineMs)m"]
        service = address.description
        judge = BenchJudge(service: service, checksHashes: plan.checksHashes)
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
            outcome = judge.outcome(answer, event.eventID)
        } catch {
            outcome = judge.outcome(error)
        }
        if run.isMeasured(beganAt: begin) {
            tally(Sample(microseconds: BenchClock.microseconds - begin, outcome: outcome))
        }
        if case .lost = outcome { return false }
        return true
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
