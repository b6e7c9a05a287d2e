import Glibc
import Synchronization

/// Hands out TCP ports of 127.0.0.1 that nobody listens on, below those that outgoing connections use.
///
/// A port on which nobody listens is not free: its server may have yet to start, or start again in a moment. So every process has
/// slices of its own, each held by a socket on its first port, and hands out no port twice. Python's tests do the same below
/// (scripts/loopback_ports.py).
package enum EtcdClusterPorts {
    private static let all = 20_000..<32_000
    private static let slice = 100

    /// What is left of the slice that was taken last.
    private static let rest = Mutex<Range<Int>>(0..<0)

    /// - Returns: So many different ports.
    package static func free(_ count: Int) throws(EtcdClusterError) -> [Int] {
        try rest.withLock { rest throws(EtcdClusterError) in
            var ports: [Int] = []
            while ports.count < count {
                if rest.isEmpty { rest = try takeSlice() }
                let candidate = rest.removeFirst()
                if bound(to: candidate).map({ close($0) }) != nil { ports.append(candidate) }
            }
            return ports
        }
    }

    private static func takeSlice() throws(EtcdClusterError) -> Range<Int> {
        let firsts = stride(from: all.lowerBound, to: all.upperBound, by: slice).shuffled()
        guard let first = firsts.first(where: { bound(to: $0) != nil }) else {
            throw EtcdClusterError("no free ports")
        }
        return first + 1..<first + slice
    }

    /// A socket that holds a port of this process, and of none that it starts; nil where that is taken.
    private static func bound(to port: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status == 0 { return descriptor }
        _ = close(descriptor)
        return nil
    }
}
