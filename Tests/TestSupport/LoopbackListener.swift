import Foundation
import Synchronization

/// A TCP server on 127.0.0.1 that gives each connection to a closure, on a thread of its own.
package final class LoopbackListener: Sendable {
    package let port: Int
    private let socket: LoopbackSocket
    private let open = Mutex<[ObjectIdentifier: LoopbackConnection]>([:])

    /// - Parameter given: The port; nil for one that nobody listens on.
    package init(
        port given: Int? = nil, _ serve: @escaping @Sendable (LoopbackConnection) -> Void
    ) throws {
        port = if let given { given } else { try EtcdClusterPorts.free(1)[0] }
        guard let socket = LoopbackSocket(listeningOn: port) else {
            throw EtcdClusterError("cannot listen on port \(port)")
        }
        self.socket = socket
        Thread.detachNewThread { [self] in
            while true {
                guard let accepted = socket.accept() else {
                    // Closed here and nowhere else: closed under a thread that accepts, its
                    // number could by then be another test's socket.
                    socket.close()
                    return
                }
                let connection = LoopbackConnection(accepted)
                open.withLock { $0[ObjectIdentifier(connection)] = connection }
                Thread.detachNewThread { [self] in
                    serve(connection)
                    connection.disconnect()
                    open.withLock { $0[ObjectIdentifier(connection)] = nil }
                }
            }
        }
    }

    /// Breaks every open connection.
    package func disconnectAll() {
        open.withLock { for connection in $0.values { connection.disconnect() } }
    }

    /// Accepts nothing any more, and breaks every open connection.
    package func stop() {
        socket.disconnect()
        disconnectAll()
    }
}

/// One end of a TCP connection, with calls that block.
///
/// The socket is closed when nobody holds this any more, and not before: its number could by then
/// be another connection's.
package final class LoopbackConnection: Sendable {
    private let socket: LoopbackSocket

    init(_ socket: LoopbackSocket) {
        self.socket = socket
    }

    /// Connects to a port of 127.0.0.1; nil where nobody listens there.
    package convenience init?(to port: Int) {
        guard let socket = LoopbackSocket(connectedTo: port) else { return nil }
        self.init(socket)
    }

    deinit { socket.close() }

    /// What has come, nil at the end of the connection.
    package func read() -> [UInt8]? { socket.read() }

    /// Sends everything, or as much as the other side takes before it is gone.
    package func write(_ bytes: some Sequence<UInt8>) { socket.write(Array(bytes)) }

    /// Ends the connection in both directions.
    package func disconnect() { socket.disconnect() }
}
