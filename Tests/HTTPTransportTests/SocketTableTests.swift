import Testing

@testable import HTTPTransport

/// The system as the table asks it: which file is open under which number, and what it is connected to.
private final class FakeSystem {
    var identities: [Int32: UInt64] = [:]
    var ports: [Int32: ConnectionPorts] = [:]

    func table() -> SocketTable {
        SocketTable(identity: { self.identities[$0] }, ports: { self.ports[$0] })
    }

    func connect(_ socket: Int32, _ local: Int) -> ConnectionPorts {
        let connection = ConnectionPorts(local: local, remote: 2379)
        ports[socket] = connection
        return connection
    }
}

@Suite("Sockets that libcurl uses")
struct SocketTableTests {
    @Test("a socket is being opened until it carries a request, and then it is a connection")
    func opening() {
        let system = FakeSystem()
        var table = system.table()
        system.identities[5] = 50
        table.opened(5)
        table.forgetClosed()
        #expect(table.counts(carrying: []) == (connections: 0, active: 0, opening: 1))
        let connection = system.connect(5, 1_000)
        table.carries(connection)
        table.carries(connection)
        #expect(table.counts(carrying: [connection]) == (connections: 1, active: 1, opening: 0))
        #expect(table.counts(carrying: []) == (connections: 1, active: 0, opening: 0))
        #expect(table.openedCount == 1)
        #expect(table.descriptors(of: connection) == [5])
        table.closed(5)
        table.forgetClosed()
        #expect(table.counts(carrying: []) == (connections: 0, active: 0, opening: 0))
    }

    /// libcurl 7.88 does not call the callback for a socket whose TCP connection did not come about: `idle_connections`
    /// said 135 with three sockets open.
    @Test("a socket that is closed without a word is forgotten")
    func closedWithoutAWord() {
        let system = FakeSystem()
        var table = system.table()
        for socket: Int32 in 5...7 {
            system.identities[socket] = UInt64(socket)
            table.opened(socket)
        }
        table.carries(system.connect(7, 1_007))
        // One is gone, and the other's number is some caller's by now.
        system.identities[5] = nil
        system.identities[6] = 600
        table.forgetClosed()
        #expect(table.counts(carrying: []) == (connections: 1, active: 0, opening: 0))
        #expect(table.openedCount == 1)
    }
}

@Suite("Requests that wait for a connection")
struct TransferQueueTests {
    private func request(_ id: UInt64, within seconds: Int) async -> TransferRequest {
        await withUnsafeContinuation { made in
            Task {
                _ = await withCheckedContinuation { continuation in
                    made.resume(
                        returning: TransferRequest(
                            id: id,
                            outgoing: OutgoingRequest(
                                .get, HTTPOrigin(parsing: "http://h:1", defaultPort: { _ in 80 })!,
                                target: "/", deadline: Self.start + .seconds(seconds)),
                            continuation: continuation))
                }
            }
        }
    }

    private static let start = ContinuousClock.now

    private func end(_ requests: [TransferRequest]) {
        for request in requests {
            request.continuation.resume(
                returning: .failure(
                    TransferFailure(reason: .shutDown, wasOffered: false, message: "")))
        }
    }

    @Test("they go in order, a bounded number of them, each for its time")
    func order() async {
        var queue = TransferQueue(limit: 3)
        let requests = [
            await request(1, within: 10), await request(2, within: 5), await request(3, within: 20),
        ]
        for request in requests { queue.append(request) }
        #expect(queue.isFull)
        #expect(queue.earliestDeadline == Self.start + .seconds(5))
        #expect(queue.takeOverdue(at: Self.start + .seconds(4)).isEmpty)
        #expect(queue.takeOverdue(at: Self.start + .seconds(5)).map(\.id) == [2])
        #expect(queue.next()?.id == 1)
        #expect(queue.remove(7) == nil)
        #expect(queue.remove(3)?.id == 3)
        #expect(queue.next() == nil && queue.earliestDeadline == nil)
        end(requests)
    }
}
