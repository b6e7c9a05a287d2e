import Glibc

/// What is asked of libcurl's sockets beside libcurl.
enum SocketOptions {
    /// Has the system end a connection whose other end is gone.
    static func limitSilence(_ socket: Int32, to time: Duration) {
        var value = Int32(clamping: time.wholeMilliseconds)
        // The pointer is to a local variable of the size that is named. Where the system does not know the option,
        // the requests' own deadlines remain.
        _ = unsafe setsockopt(
            socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &value,
            socklen_t(MemoryLayout<Int32>.size))
    }

    /// What the system calls an open file: its device and inode, which no other open socket has; nil where it is closed.
    static func identity(of socket: Int32) -> UInt64? {
        var status = stat()
        // The pointer is to a local variable of the type that the system fills.
        guard unsafe fstat(socket, &status) == 0 else { return nil }
        return UInt64(status.st_ino) ^ UInt64(status.st_dev) << 48
    }

    /// The two ports of a connected socket; nil where it is not connected.
    static func ports(of socket: Int32) -> ConnectionPorts? {
        guard let local = unsafe port(socket, getsockname),
            let remote = unsafe port(socket, getpeername)
        else {
            return nil
        }
        return ConnectionPorts(local: local, remote: remote)
    }

    /// Ends a connection in both directions; who uses the socket finds it ended, and closes it.
    static func shutDown(_ socket: Int32) {
        _ = shutdown(socket, Int32(SHUT_RDWR))
    }

    private static func port(
        _ socket: Int32,
        _ name: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
    ) -> Int? {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        // The system writes at most `length` bytes to the variable; both families have the port at the same place.
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe name(socket, pointer, &length)
            }
        }
        return result == 0 ? Int(UInt16(bigEndian: address.sin6_port)) : nil
    }
}
