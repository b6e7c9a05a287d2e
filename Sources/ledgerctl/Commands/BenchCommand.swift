internal import ArgumentParser
internal import Foundation
internal import LedgerClient

struct BenchCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Generate load and measure it. Seals events for ever: never on a real ledger.",
        discussion: """
            unary      --in-flight callers, each with one event after another
            stream     --in-flight streams, each with at most --window unanswered events; latency \
            counts from handing an event to the stream
            open-loop  --rate events a second, whatever the service does; latency counts from when \
            an event was due

            With --also the load is spread over several servers of one ledger: callers and streams \
            have one each, in turn; open-loop gives every event to the next one. A server that \
            cannot be reached meanwhile does not end the run: what it was to answer counts as \
            connection_lost, and callers and streams keep trying it.

            Nothing is tried again. The exit code is 1 where no event was sealed.
            """)

    @OptionGroup var options: GlobalOptions

    @Option(name: .long, help: "unary, stream or open-loop.")
    var mode = BenchMode.unary

    @Option(name: .long, help: "Concurrent callers, or streams. (default: 64 callers, 2 streams)")
    var inFlight: Int?

    @Option(name: .long, help: "Unanswered events of a stream.")
    var window = 1024

    @Option(name: .long, help: "Events a second, for open-loop.")
    var rate = 1000.0

    @Option(name: .long, help: "The most unanswered events of open-loop.")
    var cap = 20_000

    @Option(name: .long, help: "Seconds to measure.")
    var duration: Double?

    @Option(name: .long, help: "Events to measure, instead of seconds.")
    var events: Int?

    @Option(name: .long, help: "Bytes of each payload.")
    var payloadBytes = 256

    @Option(name: .long, help: "Seconds before measuring begins.")
    var warmup = 2.0

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A further server beside --server; may be given several times.",
            valueName: "host:port"))
    var also: [String] = []

    @Option(name: .long, help: "Connections to each server.")
    var connections = 1

    @Option(
        name: .long,
        help: ArgumentHelp(
            """
            lean: a client of HTTP/2 alone, which costs least; or grpc: the gRPC library. \
            (default: lean; grpc with TLS)
            """))
    var generator: BenchGenerator?

    @Flag(name: .long, help: "Check the hash of every answer, which costs processor time.")
    var check = false

    mutating func validate() throws {
        guard (inFlight ?? 1) > 0, window > 0, cap > 0, connections > 0, (events ?? 1) > 0 else {
            throw ValidationError("Numbers of callers, events and connections must be positive.")
        }
        guard rate > 0, rate <= 10_000_000, warmup >= 0, warmup <= 86_400 else {
            throw ValidationError("--rate and --warmup must be sensible.")
        }
        guard (duration ?? 1) > 0, (duration ?? 1) <= 86_400 else {
            throw ValidationError("--duration must be above 0 and at most 86400 seconds.")
        }
        guard (0...1_000_000).contains(payloadBytes) else {
            throw ValidationError("--payload-bytes must be 0 to 1000000.")
        }
        guard generator != .lean || options.security == .plaintext else {
            throw ValidationError("--generator lean has no TLS.")
        }
        _ = try further()
    }

    /// The plan that the options describe.
    func plan() throws -> BenchPlan {
        let first = try options.address(environment: ProcessInfo.processInfo.environment)
        var plan = BenchPlan(addresses: [first] + (try further()))
        plan.mode = mode
        plan.security = options.security
        plan.generator = generator ?? (options.security == .plaintext ? .lean : .grpc)
        plan.deadlineMs = options.deadlineMs
        plan.inFlight = inFlight ?? (mode == .stream ? 2 : 64)
        plan.window = window
        plan.rate = rate
        plan.openLoopCap = cap
        plan.connectionsPerServer = connections
        plan.payloadBytes = payloadBytes
        plan.warmupSeconds = warmup
        // With a number of events the time only bounds how long that may take.
        plan.durationSeconds = duration ?? (events == nil ? 10 : 600)
        plan.events = events
        plan.checksHashes = check
        return plan
    }

    private func further() throws -> [ServerAddress] {
        try also.map { text in
            guard let address = ServerAddress(parsing: text) else {
                throw ValidationError("--also must be host:port, such as 127.0.0.1:50051.")
            }
            return address
        }
    }

    func run() async throws {
        let report: BenchReport
        do {
            report = try await Benchmark(plan: try plan()).perform()
        } catch let error as LedgerError {
            self.report(error)
            throw ExitCode(ExitCodes.code(for: error))
        }
        switch options.output {
        case .text: try Console.write(report.text)
        case .json: try Console.write(JSONLine.encode(report))
        }
        if report.outcomes["sealed"] == nil { throw ExitCode(ExitCodes.failure) }
    }
}
