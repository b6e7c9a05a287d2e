import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// The plaintext HTTP port for probes, metrics and tiles; never exposed outside the cluster.
package final class AdminServer: Service, Sendable {
    /// How many connections are served at once.
    static let maxConnections = 256

    private struct State {
        var port: Int?
        var waiting: [CheckedContinuation<Int?, Never>] = []
        var hasEnded = false
    }

    private let pages: AdminPages
    private let bindAddress: String
    private let port: Int
    private let logger: Logger
    private let state = Mutex(State())

    /// Makes a server.
    ///
    /// - Parameter port: 0 picks a free one, see `boundPort()`.
    package init(pages: AdminPages, bindAddress: String, port: Int, logger: Logger) {
        self.pages = pages
        self.bindAddress = bindAddress
        self.port = port
        self.logger = logger
    }

    /// The port that is listened on, once it is; nil when the server ended without.
    package func boundPort() async -> Int? {
        await withCheckedContinuation { continuation in
            let known: Int?? = state.withLock { state in
                if let port = state.port { return .some(port) }
                if state.hasEnded { return .some(nil) }
                state.waiting.append(continuation)
                return nil
            }
            if let known {
                continuation.resume(returning: known)
            }
        }
    }

    /// Serves until the service group stops.
    package func run() async throws {
        defer { announce(nil) }
        do {
            try await application().run()
        } catch {
            throw ListenError(
                error, portSetting: .adminPort, port: port, address: bindAddress) ?? error
        }
    }

    /// The server that `run()` starts; tests start the very same.
    func application() -> some ApplicationProtocol {
        var http = HTTP1Channel.Configuration(
            idleTimeout: .seconds(60),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: 8 * 1024, maxHeaderListSize: 16 * 1024,
                maxHeaderFieldCount: 64))
        http.additionalChannelHandlers = { [] }
        return Application(
            responder: AdminResponder(pages: pages),
            server: .http1(configuration: http),
            configuration: ApplicationConfiguration(
                address: .hostname(bindAddress, port: port), serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(
                    Self.maxConnections, logger: logger)),
            onServerRunning: { [weak self] channel in
                self?.announce(channel.localAddress?.port)
            },
            logger: logger)
    }

    private func announce(_ port: Int?) {
        let waiting = state.withLock { state in
            state.port = port ?? state.port
            state.hasEnded = port == nil
            defer { state.waiting = [] }
            return state.waiting
        }
        if let port {
            logger.notice("the admin port listens", metadata: ["port": "\(port)"])
        }
        for continuation in waiting {
            continuation.resume(returning: port)
        }
    }
}
