import EtcdGateway
import Foundation
import Synchronization
import TestSupport

/// Passes TCP connections on to a server, and can keep the answers back or break everything.
final class CuttingProxy: Sendable {
    private struct State {
        var keepsAnswers = false
        var connections = 0
        /// The answers of the first so many connections are kept back for good.
        var silenced = 0
    }

    private let listener: LoopbackListener
    private let state: Shared

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    init(to target: EtcdEndpoint) throws {
        let shared = Shared()
        state = shared
        listener = try LoopbackListener { client in
            guard let server = LoopbackConnection(to: target.port) else { return }
            let number = shared.state.withLock { state in
                state.connections += 1
                return state.connections
            }
            Thread.detachNewThread {
                while let bytes = server.read() {
                    // What is kept back is lost: the connection is of no use afterwards.
                    let isKept = shared.state.withLock { state in
                        state.keepsAnswers || number <= state.silenced
                    }
                    if !isKept { client.write(bytes) }
                }
                client.disconnect()
            }
            while let bytes = client.read() { server.write(bytes) }
            server.disconnect()
        }
    }

    var endpoint: EtcdEndpoint {
        EtcdEndpoint(scheme: .https, host: "127.0.0.1", port: listener.port)
    }

    /// How many connections were made so far.
    var connections: Int { state.state.withLock { $0.connections } }

    /// From now on requests pass and answers do not, or both do.
    func keepAnswers(_ keepsAnswers: Bool) {
        state.state.withLock { $0.keepsAnswers = keepsAnswers }
    }

    /// The connections that are open now stay open and are never answered again, as if the machine at their other
    /// end were gone; new ones can be made.
    func silenceOpenConnections() {
        state.state.withLock { $0.silenced = $0.connections }
    }

    /// Breaks all connections; new ones can be made.
    func cut() { listener.disconnectAll() }

    func stop() { listener.stop() }
}
