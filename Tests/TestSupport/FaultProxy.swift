package import EtcdGateway
import Foundation
import Synchronization

/// Passes TCP connections on to an etcd member, and can lose, delay or refuse what goes through it.
///
/// It sees encrypted bytes only. What it keeps from one direction is lost for that connection,
/// which cannot be used afterwards; connections made after `pass()` are sound.
package final class FaultProxy: Sendable {
    private struct State {
        var losesAnswers = false
        var losesRequests = false
        var refuses = false
        var delay: Duration = .zero
        var open: [Int32: LoopbackSocket] = [:]
        var requestBytes = 0
        var lostBytes = 0
        var isStopped = false
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    /// What the service is told instead of the member's own address.
    package let endpoint: EtcdEndpoint
    private let listener: LoopbackSocket
    private let shared = Shared()

    /// Begins to listen on a port of its own.
    package init(to target: EtcdEndpoint) throws {
        let port = try EtcdClusterPorts.free(1)[0]
        guard let listener = LoopbackSocket(listeningOn: port) else {
            throw TestFailure("cannot listen on port \(port)")
        }
        self.listener = listener
        endpoint = EtcdEndpoint(scheme: target.scheme, host: "127.0.0.1", port: port)
        let shared = self.shared
        Thread.detachNewThread { Self.acceptAll(listener, target: target.port, shared) }
    }

    // MARK: Faults

    /// From now on requests reach the member, and its answers are lost on the way back.
    package func loseAnswers() { shared.state.withLock { $0.losesAnswers = true } }

    /// From now on nothing gets through in either direction, and no connection ends: the member hangs.
    package func hang() {
        shared.state.withLock { state in
            state.losesAnswers = true
            state.losesRequests = true
        }
    }

    /// From now on every new connection is ended at once.
    package func refuse() { shared.state.withLock { $0.refuses = true } }

    /// From now on each piece of an answer waits this long.
    package func delayAnswers(by delay: Duration) { shared.state.withLock { $0.delay = delay } }

    /// Passes everything on again, over new connections: the old ones are broken.
    package func pass() {
        shared.state.withLock { state in
            state.losesAnswers = false
            state.losesRequests = false
            state.refuses = false
            state.delay = .zero
        }
        cut()
    }

    /// Breaks all connections.
    package func cut() {
        shared.state.withLock { state in
            for socket in state.open.values { socket.disconnect() }
        }
    }

    /// Bytes that went to the member so far.
    package var requestBytes: Int { shared.state.withLock { $0.requestBytes } }

    /// Bytes of answers that were lost so far.
    package var lostBytes: Int { shared.state.withLock { $0.lostBytes } }

    /// Breaks everything and listens no more.
    package func stop() {
        shared.state.withLock { $0.isStopped = true }
        listener.disconnect()
        cut()
    }

    // MARK: Threads

    private static func acceptAll(_ listener: LoopbackSocket, target: Int, _ shared: Shared) {
        while true {
            guard let client = listener.accept() else {
                // Closed by the only thread that accepts, or its number could be another's by then.
                listener.close()
                return
            }
            let isRefused = shared.state.withLock { $0.refuses || $0.isStopped }
            guard !isRefused, let server = LoopbackSocket(connectedTo: target) else {
                client.close()
                continue
            }
            Thread.detachNewThread { carry(client, server, shared) }
        }
    }

    /// Carries one connection in both directions until it ends.
    private static func carry(_ client: LoopbackSocket, _ server: LoopbackSocket, _ shared: Shared)
    {
        shared.state.withLock { state in
            state.open[client.descriptor] = client
            state.open[server.descriptor] = server
        }
        client.sendAtOnce()
        server.sendAtOnce()
        let answersEnded = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            carryAnswers(from: server, to: client, shared)
            client.disconnect()
            answersEnded.signal()
        }
        var isLost = false
        while let bytes = client.read() {
            isLost = shared.state.withLock { state in
                state.requestBytes += bytes.count
                return isLost || state.losesRequests
            }
            if !isLost { server.write(bytes) }
        }
        server.disconnect()
        answersEnded.wait()
        shared.state.withLock { state in
            state.open[client.descriptor] = nil
            state.open[server.descriptor] = nil
        }
        client.close()
        server.close()
    }

    private static func carryAnswers(
        from server: LoopbackSocket, to client: LoopbackSocket, _ shared: Shared
    ) {
        var isLost = false
        while let bytes = server.read() {
            let delay = shared.state.withLock { state in
                // One lost piece ruins the encrypted stream: the rest of it is lost as well.
                isLost = isLost || state.losesAnswers
                if isLost { state.lostBytes += bytes.count }
                return state.delay
            }
            if isLost { continue }
            if delay > .zero {
                let (seconds, attoseconds) = delay.components
                Thread.sleep(forTimeInterval: Double(seconds) + Double(attoseconds) * 1e-18)
            }
            client.write(bytes)
        }
    }
}
