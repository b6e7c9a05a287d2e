import Foundation
import Synchronization
import TestSupport

/// A TCP server on 127.0.0.1 that gives each connection to a closure, on a thread of its own.
final class LoopbackListener: Sendable {
    let port: Int
    private let descriptor: Int32
    private let open = Mutex<[ObjectIdentifier: LoopbackConnection]>([:])

    init(_ serve: @escaping @Sendable (LoopbackConnection) -> Void) throws {
        port = try EtcdClusterPorts.free(1)[0]
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(
            descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard LoopbackConnection.withAddress(port, { bind(descriptor, $0, $1) }) == 0,
            listen(descriptor, 64) == 0
        else { throw EtcdClusterError("cannot listen on port \(port)") }
        Thread.detachNewThread { [self] in
            while true {
                let accepted = accept(descriptor, nil, nil)
                guard accepted >= 0 else {
                    // Closed here and nowhere else: closed under a thread that accepts, its
                    // number could by then be another test's socket.
                    close(descriptor)
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
    func disconnectAll() {
        open.withLock { for connection in $0.values { connection.disconnect() } }
    }

    /// Accepts nothing any more, and breaks every open connection.
    func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        disconnectAll()
    }
}

/// One end of a TCP connection, with calls that block.
///
/// The socket is closed when nobody holds this any more, and not before: its number could by then
/// be another connection's.
final class LoopbackConnection: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Connects to a port of 127.0.0.1; nil where nobody listens there.
    init?(to port: Int) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard Self.withAddress(port, { connect(descriptor, $0, $1) }) == 0 else {
            return nil
        }
    }

    deinit { close(descriptor) }

    /// What has come, nil at the end of the connection.
    func read() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer[..<count]) : nil
    }

    func write(_ bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Ends the connection in both directions.
    func disconnect() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    static func withAddress(
        _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                body(pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
