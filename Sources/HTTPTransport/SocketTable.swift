/// Which of the sockets that libcurl has asked for are still there, and which of them are connections.
///
/// libcurl does not tell of every end: a socket whose TCP connection never came about it closes by itself, without the
/// callback that it was given for that (7.88 of Debian 12: an address that answers nothing, a full backlog). Its number
/// may soon be another file's. So a socket is known by what the system says of it, and is looked at again whenever one
/// is being connected, or another one came or went.
struct SocketTable {
    private struct Socket {
        /// What the system calls it, unlike any other that is open.
        var identity: UInt64
        /// The ports of its connection, from the first request that it carries on.
        var ports: ConnectionPorts?
    }

    private var sockets: [Int32: Socket] = [:]
    private var mayHaveChanged = false
    /// Connections that have carried a request.
    private(set) var openedCount: Int64 = 0

    private let identity: (Int32) -> UInt64?
    private let ports: (Int32) -> ConnectionPorts?

    /// - Parameters:
    ///   - identity: of a file descriptor; nil where there is none.
    ///   - ports: of a socket; nil where it is not connected.
    init(
        identity: @escaping (Int32) -> UInt64? = SocketOptions.identity,
        ports: @escaping (Int32) -> ConnectionPorts? = SocketOptions.ports
    ) {
        self.identity = identity
        self.ports = ports
    }

    /// libcurl begins to make a connection with this socket.
    mutating func opened(_ socket: Int32) {
        sockets[socket] = identity(socket).map { Socket(identity: $0) }
        mayHaveChanged = true
    }

    /// libcurl closes it, and says so.
    mutating func closed(_ socket: Int32) {
        sockets[socket] = nil
        mayHaveChanged = true
    }

    /// A request is about to be written to the connection with these ports.
    mutating func carries(_ connection: ConnectionPorts) {
        guard !sockets.values.contains(where: { $0.ports == connection }) else { return }
        for (socket, known) in sockets where known.ports == nil && ports(socket) == connection {
            sockets[socket]?.ports = connection
            openedCount += 1
        }
    }

    /// Forgets what was closed without a word.
    mutating func forgetClosed() {
        guard mayHaveChanged else { return }
        sockets = sockets.filter { identity($0.key) == $0.value.identity }
        // Of a connection that is being made nobody says when it is given up.
        mayHaveChanged = sockets.values.contains { $0.ports == nil }
    }

    /// Forgets everything, without closing it.
    mutating func removeAll() { sockets = [:] }

    /// The sockets of the connection with these ports: one, or none any more.
    func descriptors(of connection: ConnectionPorts) -> [Int32] {
        sockets.keys.filter { ports($0) == connection }
    }

    /// How many connections there are, how many of these are among `carrying`, and how many are being made.
    func counts(
        carrying: Set<ConnectionPorts>
    ) -> (connections: Int, active: Int, opening: Int) {
        var counts = (connections: 0, active: 0, opening: 0)
        for socket in sockets.values {
            guard let ports = socket.ports else {
                counts.opening += 1
                continue
            }
            counts.connections += 1
            if carrying.contains(ports) { counts.active += 1 }
        }
        return counts
    }
}
