import Glibc
import Synchronization

/// Hands out TCP ports of 127.0.0.1 that nobody listens on.
package enum EtcdClusterPorts {
    /// What this process has handed out: a port is not free because its server has yet to start.
    private static let taken = Mutex<Set<Int>>([])

    /// - Returns: So many different ports, all below the range that outgoing connections use.
    package static func free(_ count: Int) throws(EtcdClusterError) -> [Int] {
        var ports: [Int] = []
        for _ in 0..<5_000 where ports.count < count {
            let candidate = Int.random(in: 20_000..<32_000)
            let isNew = taken.withLock { $0.insert(candidate).inserted }
            if isNew, canListen(on: candidate) { ports.append(candidate) }
        }
        guard ports.count == count else { throw EtcdClusterError("no free ports") }
        return ports
    }

    private static func canListen(on port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { _ = close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
