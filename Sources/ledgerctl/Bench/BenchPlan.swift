internal import ArgumentParser
internal import LedgerClient

/// How load is generated.
enum BenchMode: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// Callers that submit one event after another.
    case unary
    /// Streams with a window of unanswered events.
    case stream
    /// Events at a constant rate, whatever the service does.
    case openLoop = "open-loop"
}

/// What makes the calls.
enum BenchGenerator: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// A client of HTTP/2 alone, without TLS: it costs least beside what it measures.
    case lean
    /// The gRPC library, as callers of this language use it.
    case grpc
}

/// Everything that a run of the load generator is told.
struct BenchPlan: Sendable {
    var mode = BenchMode.unary
    /// The servers among which callers, streams or events take turns; at least one.
    var addresses: [ServerAddress]
    var security = TransportSecurity.plaintext
    var generator = BenchGenerator.lean
    var deadlineMs = 100
    /// Concurrent callers, or streams.
    var inFlight = 64
    /// Unanswered events of a stream.
    var window = 1024
    /// Events a second, for the open loop.
    var rate = 1000.0
    /// The most unanswered events of the open loop.
    var openLoopCap = 20_000
    /// Connections to each server.
    var connectionsPerServer = 1
    var payloadBytes = 256
    var warmupSeconds = 2.0
    var durationSeconds = 10.0
    /// The number of measured events that ends the run early.
    var events: Int?
    var checksHashes = false
    var contractMs: Int64 = 50

    /// The server of every connection. Neighbours have different ones, and who uses connection
    /// after connection uses all servers alike.
    var connections: [ServerAddress] {
        (0..<connectionsPerServer).flatMap { _ in addresses }
    }
}
