import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// A plaintext port for HTTP/1.1 as a service: GET and HEAD of pages, with bounds for everything that a caller decides.
package final class HTTPPort: Service, Sendable {
    /// The page of a path, which comes without its query, for an asker with this header `accept`.
    package typealias Pages = @Sendable (_ path: String, _ accept: String?) async -> Page
    /// Told the status of every answer.
    package typealias Answered = @Sendable (_ status: Int) -> Void

    /// What the port takes.
    package struct Limits: Sendable {
        /// Connections that are open at a time. A further one takes the place of the one that has been without a request
        /// for the longest time, or is closed.
        package var maxConnections = 256
        /// How long a connection may be without a whole request.
        package var idleTimeout = Duration.seconds(60)
        /// How long an answer may take to be read.
        package var answerTimeout = Duration.seconds(120)
        /// The bytes of a request's line and of each of its headers.
        package var maxHeaderBytes = 8 * 1024
        /// The bytes of all of a request's headers together.
        package var maxHeaderListBytes = 16 * 1024
        package var maxHeaders = 64

        package init() {}
    }

    private struct State {
        var port: Int?
        var waiting: [CheckedContinuation<Int?, Never>] = []
        var hasEnded = false
    }

    /// How long answers may still be read after the service was asked to stop.
    private static let stopPatience = TimeAmount.seconds(2)

    /// The connections that are open.
    package let connections: HTTPConnections
    private let name: String
    private let setting: SettingName
    private let bindAddress: String
    private let port: Int
    private let limits: Limits
    private let pages: Pages
    private let answered: Answered
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameters:
    ///   - name: what the log calls the port.
    ///   - setting: the variable that names the port, for errors.
    ///   - bindAddress: an IP address.
    ///   - port: 0 picks a free one, see `boundPort()`.
    package init(
        name: String, setting: SettingName, bindAddress: String, port: Int,
        limits: Limits = Limits(), logger: Logger, answered: @escaping Answered = { _ in },
        pages: @escaping Pages
    ) {
        self.name = name
        self.setting = setting
        self.bindAddress = bindAddress
        self.port = port
        self.limits = limits
        self.pages = pages
        self.answered = answered
        self.logger = logger
        connections = HTTPConnections(maxConnections: limits.maxConnections)
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
            try await withGracefulShutdownHandler {
                try await application().run()
            } onGracefulShutdown: {
                self.connections.closeAll(in: Self.stopPatience)
            }
        } catch {
            throw ListenError(error, portSetting: setting, port: port, address: bindAddress)
                ?? error
        }
    }

    private func application() -> some ApplicationProtocol {
        let guards = connections
        let answerTimeout = TimeAmount(limits.answerTimeout)
        let http = HTTP1Channel.Configuration(
            additionalChannelHandlers: [
                HTTPConnectionGuard(table: guards, answerTimeout: answerTimeout)
            ],
            idleTimeout: TimeAmount(limits.idleTimeout),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: limits.maxHeaderBytes,
                maxHeaderListSize: limits.maxHeaderListBytes,
                maxHeaderFieldCount: limits.maxHeaders))
        return Application(
            responder: PageResponder(pages: pages, answered: answered),
            server: .http1(configuration: http),
            configuration: ApplicationConfiguration(
                address: .hostname(bindAddress, port: port), serverName: nil),
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
            logger.notice("\(name) listens", metadata: ["port": "\(port)"])
        }
        for continuation in waiting {
            continuation.resume(returning: port)
        }
    }
}
