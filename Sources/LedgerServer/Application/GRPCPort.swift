import EventLoopTasks
package import GRPCCore
package import GRPCEdge
import GRPCNIOTransportHTTP2
package import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// A gRPC server as a service: it serves until the service group stops, then lets the open calls end.
package final class GRPCPort: Service, Sendable {
    /// What a port takes.
    package struct Limits: Sendable {
        /// The bounds of connections and requests.
        package var edge: EdgeLimits
        /// `LEDGER_CONNECTION_MAX_IDLE`: a connection without a call is closed after this; nil: never.
        package var maxIdle: Duration?
        /// The longest request message of a method that `methods` does not name, in bytes.
        package var maxRequestBytes: Int

        package init(
            edge: EdgeLimits = EdgeLimits(), maxIdle: Duration? = nil,
            maxRequestBytes: Int = 65_536
        ) {
            self.edge = edge
            self.maxIdle = maxIdle
            self.maxRequestBytes = maxRequestBytes
        }
    }

    /// How connections are secured.
    package struct Security: Sendable {
        /// What the library is told.
        var transport: HTTP2ServerTransport.Posix.TransportSecurity
        /// Has a connection shake hands with the certificates of now, before it has begun; a connection for which this
        /// fails is closed.
        var renew: (@Sendable (any Channel) throws -> Void)?

        package static var plaintext: Security { Security(transport: .plaintext) }
    }

    /// What the port holds and has refused, for metrics.
    package let statistics: EdgeStatistics
    /// The paths of the methods that are served.
    package var paths: [String] { Array(table.configuration.shapes.keys) }
    private let table: ConnectionTable
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let transport: HTTP2ServerTransport.Posix
    private let name: String
    private let setting: SettingName
    private let bindAddress: String
    private let port: Int
    private let logger: Logger

    /// - Parameters:
    ///   - name: what the log calls the port.
    ///   - setting: the variable that names the port, for errors.
    ///   - bindAddress: an IP address.
    ///   - port: 0 picks a free one, see `boundPort()`.
    ///   - methods: those whose requests are not just one short message, and those that no service but `direct` has.
    ///   - headers: request headers that the services read.
    ///   - keepsContext: whether services ask for calls' names and traces.
    ///   - callBegan: asked with every call for who records it, on the event loop.
    ///   - callEnded: told of every call when it has ended, on the event loop.
    package init(
        name: String, setting: SettingName, bindAddress: String, port: Int,
        security: Security = .plaintext,
        limits: Limits = Limits(), services: [any RegistrableRPCService] = [],
        methods: [MethodDescriptor: CallShape] = [:], headers: Set<String> = [],
        direct: EdgeConfiguration.Direct? = nil,
        keepsContext: Bool = false,
        callBegan: (@Sendable (CallBegin) -> (any CallRecorder)?)? = nil,
        callEnded: (@Sendable (CallEnd) -> Void)? = nil,
        interceptors: [any ServerInterceptor] = [], logger: Logger
    ) {
        self.name = name
        self.setting = setting
        self.bindAddress = bindAddress
        self.port = port
        self.logger = logger
        let edge = limits.edge
        let table = ConnectionTable(
            EdgeConfiguration(
                limits: edge,
                shapes: Self.shapes(of: services, methods, longest: limits.maxRequestBytes),
                furtherHeaders: headers, direct: direct,
                keepsContext: keepsContext, callBegan: callBegan, callEnded: callEnded,
                acceptsTimeout: { GRPCTimeout.parse($0.utf8) != .malformed },
                status: { RefusalStatus($0, of: $1, limits: edge) }),
            on: Reactor.loop)
        self.table = table
        statistics = table.statistics
        let longest = table.configuration.shapes.values.map(\.maxMessageBytes).max() ?? 0
        transport = HTTP2ServerTransport.Posix(
            address: bindAddress.contains(":")
                ? .ipv6(host: bindAddress, port: port) : .ipv4(host: bindAddress, port: port),
            transportSecurity: security.transport,
            config: .defaults {
                $0.rpc.maxRequestPayloadSize = longest
                $0.connection.maxIdleTime = limits.maxIdle
                $0.connection.maxAge = edge.maxAge
                // A ping costs next to nothing, and clients send them for good reasons: to see whether a quiet
                // connection still lives, and with every window of what they read, to measure the way. The library
                // would cut off who sends three that it thinks are too many.
                $0.connection.keepalive.clientBehavior = .init(
                    minPingIntervalWithoutCalls: .zero, allowWithoutCalls: true)
                $0.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
                    do {
                        try security.renew?(channel)
                    } catch {
                        // The listener goes on, as where the table has no room.
                        channel.close(promise: nil)
                        return channel.eventLoop.makeSucceededVoidFuture()
                    }
                    return table.admit(channel)
                }
                $0.channelDebuggingCallbacks.onAcceptHTTP2Stream = table.guardCall
            },
            eventLoopGroup: Reactor.group)
        server = GRPCServer(
            transport: transport, services: services, interceptors: interceptors)
    }

    /// All methods by their paths.
    private static func shapes(
        of services: [any RegistrableRPCService], _ known: [MethodDescriptor: CallShape],
        longest: Int
    ) -> [String: CallShape] {
        var router = RPCRouter<HTTP2ServerTransport.Posix>()
        for service in services { service.registerMethods(with: &router) }
        return Dictionary(
            uniqueKeysWithValues: Set(router.methods).union(known.keys).map { method in
                (
                    "/\(method.fullyQualifiedMethod)",
                    known[method] ?? CallShape(maxMessageBytes: longest)
                )
            })
    }

    /// The port that is listened on, once it is.
    package func boundPort() async throws -> Int? {
        let address = try await transport.listeningAddress
        return address.ipv4?.port ?? address.ipv6?.port
    }

    private func serve() async throws {
        do {
            try await server.serve()
        } catch {
            throw ListenError(error, portSetting: setting, port: port, address: bindAddress)
                ?? error
        }
    }

    package func run() async throws {
        try await withTaskCancellationHandler {
            try await self.runUntilStopped()
        } onCancel: {
            // The library ends its own calls then, but no direct ones.
            self.table.endAll()
        }
    }

    private func runUntilStopped() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await Reactor.run { try await self.serve() }
                }
                group.addTask {
                    // Where it cannot be listened, the other task says why.
                    guard let port = try? await self.boundPort() else { return }
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
