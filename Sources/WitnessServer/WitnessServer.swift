import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// The HTTP port of a witness.
package struct WitnessServer: Service {
    /// How many connections are served at once.
    static let maxConnections = 64

    private let witness: Witness
    private let host: String
    private let port: Int
    private let logger: Logger
    private let onListening: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - port: 0 picks a free one.
    ///   - onListening: is told the port once it is listened on.
    package init(
        witness: Witness, host: String, port: Int, logger: Logger,
        onListening: @escaping @Sendable (Int) -> Void
    ) {
        self.witness = witness
        self.host = host
        self.port = port
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until SIGTERM or SIGINT; requests that are open then are answered.
    package func runUntilStopped() async throws {
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [self], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        ).run()
    }

    /// Serves until the service group stops.
    package func run() async throws {
        var http = HTTP1Channel.Configuration(
            idleTimeout: .seconds(60),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: 8 * 1024, maxHeaderListSize: 16 * 1024,
                maxHeaderFieldCount: 64))
        http.additionalChannelHandlers = { [] }
        let onListening = onListening
        try await Application(
            responder: WitnessResponder(witness: witness, logger: logger),
            server: .http1(configuration: http),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(
                    Self.maxConnections, logger: logger)),
            onServerRunning: { channel in
                if let port = channel.localAddress?.port { onListening(port) }
            },
            logger: logger
        ).run()
    }
}
