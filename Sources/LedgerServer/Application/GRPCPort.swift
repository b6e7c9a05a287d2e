import EventLoopTasks
package import GRPCCore
package import GRPCNIOTransportHTTP2
package import Logging
import ServiceLifecycle
import Synchronization

/// A gRPC server as a service: it serves until the service group stops, then lets the open calls end.
package final class GRPCPort: Service, Sendable {
    /// The transport's limits that are settings.
    package struct Limits: Sendable {
        /// The most bytes of one message.
        package var maxMessageBytes: Int
        /// The most calls at once on one connection (`LEDGER_MAX_CONCURRENT_CALLS`).
        package var maxConcurrentCalls: Int

        package init(maxMessageBytes: Int = 1 << 20, maxConcurrentCalls: Int = 1_024) {
            self.maxMessageBytes = maxMessageBytes
            self.maxConcurrentCalls = maxConcurrentCalls
        }
    }

    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let transport: HTTP2ServerTransport.Posix
    private let name: String
    private let logger: Logger

    /// - Parameters:
    ///   - name: what the log calls the port.
    ///   - port: 0 picks a free one, see `boundPort()`.
    package init(
        name: String, bindAddress: String, port: Int,
        security: HTTP2ServerTransport.Posix.TransportSecurity = .plaintext,
        limits: Limits = Limits(), services: [any RegistrableRPCService],
        interceptors: [any ServerInterceptor] = [], logger: Logger
    ) {
        self.name = name
        self.logger = logger
        transport = HTTP2ServerTransport.Posix(
            address: bindAddress.contains(":")
                ? .ipv6(host: bindAddress, port: port) : .ipv4(host: bindAddress, port: port),
            transportSecurity: security,
            config: .defaults {
                $0.rpc.maxRequestPayloadSize = limits.maxMessageBytes
                $0.http2.maxConcurrentStreams = limits.maxConcurrentCalls
                // A caller that follows the ledger, or a replica that has nothing to forward, may ask every few
                // seconds whether the connection still lives; by default it is cut off for that after 40 s.
                $0.connection.keepalive.clientBehavior = .init(
                    minPingIntervalWithoutCalls: .seconds(5), allowWithoutCalls: true)
            },
            eventLoopGroup: Reactor.group)
        server = GRPCServer(
            transport: transport, services: services, interceptors: interceptors)
    }

    /// The port that is listened on, once it is.
    package func boundPort() async throws -> Int? {
        let address = try await transport.listeningAddress
        return address.ipv4?.port ?? address.ipv6?.port
    }

    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await Reactor.run { try await self.server.serve() }
                }
                group.addTask {
                    let port = try await self.boundPort() ?? 0
                    self.logger.notice("\(self.name) listens", metadata: ["port": "\(port)"])
                }
                do {
                    try await group.waitForAll()
                } catch {
                    guard Task.isCancelled else { throw error }
                    // The limit of a stop has passed: what is cut off then is no failure of the service.
                    self.logger.warning(
                        "\(self.name) cut off what was still open",
                        metadata: ["error": "\(error)"])
                }
            }
        } onGracefulShutdown: {
            self.server.beginGracefulShutdown()
        }
    }
}
