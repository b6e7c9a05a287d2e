package import GRPCCore
internal import GRPCNIOTransportHTTP2
package import LedgerAPI

/// A client of ImmutableLedger: submits certified events, and reads and checks sealed ones.
///
/// ```swift
/// let configuration = LedgerClientConfiguration(address: ServerAddress(host: "localhost"))
/// let sealed = try await withLedgerClient(configuration: configuration) { client in
///     try await client.submit(event)
/// }
/// ```
///
/// A client holds one connection, made at the first call and made again whenever it breaks. Every
/// call may be made from any number of tasks at a time. The connection only works while ``run()``
/// runs; ``withLedgerClient(configuration:_:)`` takes care of that.
public final class LedgerClient: Sendable {
    /// The settings that the client was made with.
    public let configuration: LedgerClientConfiguration

    package let ledger: any Ledger_ImmutableLedger.ClientProtocol
    package let healthService: any Ledger_Health.ClientProtocol
    private let runConnections: @Sendable () async throws -> Void
    private let beginShutdown: @Sendable () -> Void

    /// Who is called, for messages.
    package var service: String { configuration.address.description }

    /// Creates a client; nothing is connected before ``run()``.
    ///
    /// - Throws: ``LedgerError`` of kind `configuration` where a PEM file can't be used.
    public convenience init(configuration: LedgerClientConfiguration) throws(LedgerError) {
        let transport = try LedgerTransport.make(
            address: configuration.address, security: configuration.security)
        self.init(configuration: configuration, transport: transport)
    }

    /// Creates a client on any transport; for tests.
    package init(configuration: LedgerClientConfiguration, transport: some ClientTransport) {
        let client = GRPCClient(
            transport: transport, interceptors: [DeadlineHeaderInterceptor()])
        self.configuration = configuration
        self.ledger = Ledger_ImmutableLedger.Client(wrapping: client)
        self.healthService = Ledger_Health.Client(wrapping: client)
        self.runConnections = { try await client.runConnections() }
        self.beginShutdown = { client.beginGracefulShutdown() }
    }

    /// Keeps the connection until ``shutdown()`` was called and all calls have ended, or until the
    /// task is cancelled. Call it once. It has the form that `ServiceLifecycle.Service` asks for.
    public func run() async throws {
        try await runConnections()
    }

    /// Refuses new calls, and lets ``run()`` return when those under way have ended.
    public func shutdown() {
        beginShutdown()
    }
}

/// Runs a client for as long as the body takes.
///
/// - Parameters:
///   - configuration: The client's settings.
///   - body: What to do with the client.
/// - Returns: What the body returns.
/// - Throws: ``LedgerError`` of kind `configuration`, and whatever the body throws.
public func withLedgerClient<Result: Sendable>(
    configuration: LedgerClientConfiguration,
    _ body: (LedgerClient) async throws -> Result
) async throws -> Result {
    let client = try LedgerClient(configuration: configuration)
    return try await withRunning(client, body)
}

/// Runs an existing client for as long as the body takes.
package func withRunning<Result: Sendable>(
    _ client: LedgerClient, _ body: (LedgerClient) async throws -> Result
) async throws -> Result {
    try await withThrowingDiscardingTaskGroup { group in
        group.addTask { try await client.run() }
        let result = try await body(client)
        client.shutdown()
        return result
    }
}
