import Glibc
import TestSupport
import Testing

@testable import HTTPTransport

@Suite("Counted connections")
struct ConnectionCountTests {
    /// A listener that nobody accepts at, with a full queue: the system answers no further attempt to connect.
    private struct FullListener {
        let port: Int
        private var descriptors: [Int32] = []

        init() throws {
            port = try EtcdClusterPorts.free(1)[0]
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
            let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            let listener = socket(AF_INET, kind, 0)
            descriptors.append(listener)
            let results = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
                    let isBound = bind(listener, pointer, size) == 0 && listen(listener, 0) == 0
                    let others = (0..<3).map { _ in socket(AF_INET, kind, 0) }
                    for other in others { _ = connect(other, pointer, size) }
                    return (isBound, others)
                }
            }
            descriptors += results.1
            guard results.0 else { throw TestFailure("cannot listen on port \(port)") }
        }

        func close() {
            for descriptor in descriptors { _ = Glibc.close(descriptor) }
        }
    }

    /// libcurl 7.88 closes such a socket without the callback that is there for it: what had been counted stayed so, and
    /// health told of 135 idle connections of 25.
    @Test("a connection that does not come about is counted while it is made, and never again")
    func neverConnected() async throws {
        let listener = try FullListener()
        var settings = TransportSettings(threadName: "test")
        settings.protocols = .httpAndHTTPS
        let transport = try CurlTransport(settings)
        var others: [Int32] = []
        for _ in 0..<6 {
            let sending = Task {
                await transport.send(
                    OutgoingRequest(
                        .get, HTTPOrigin(scheme: .http, host: "127.0.0.1", port: listener.port),
                        target: "/", connectDeadline: .now + .milliseconds(300),
                        deadline: .now + .seconds(60)))
            }
            try await eventually("it is being made") { transport.statistics.opening == 1 }
            guard case .failure(let failure) = await sending.value else {
                throw TestFailure("there is an answer")
            }
            #expect(failure.kind == .timeout && !failure.wasOffered)
            // The socket's number is another file's from now on.
            others.append(dup(0))
        }
        try await eventually("nothing is counted") {
            let now = transport.statistics
            return now.active + now.idle + now.opening == 0
        }
        #expect(transport.statistics.openedCount == 0)
        // Whoever makes a connection does not wait for one.
        #expect(transport.statistics.waitCount == 0)
        for other in others { close(other) }
        listener.close()
        await transport.shutDown()
    }

    @Test("a connection is active while it carries a request, and idle after that")
    func activeAndIdle() async throws {
        let peer = try ScriptedPeer { number, _ in
            number == 0 ? .answer(200, "here") : .silence
        }
        defer { peer.stop() }
        var settings = TransportSettings(threadName: "test")
        settings.protocols = .httpAndHTTPS
        let transport = try CurlTransport(settings)
        let request = OutgoingRequest(
            .get, HTTPOrigin(scheme: .http, host: "127.0.0.1", port: peer.port), target: "/",
            deadline: .now + .seconds(60))
        _ = try await transport.send(request).get()
        try await eventually("it is idle") {
            transport.statistics.idle == 1 && transport.statistics.active == 0
        }
        let second = Task { await transport.send(request) }
        try await eventually("it is active") {
            transport.statistics.active == 1 && transport.statistics.idle == 0
        }
        second.cancel()
        _ = await second.value
        try await eventually("it is gone: over HTTP/1.1 its answer would still come") {
            transport.statistics.active + transport.statistics.idle == 0
        }
        #expect(transport.statistics.openedCount == 1)
        #expect(transport.statistics.waitCount == 0)
        await transport.shutDown()
    }
}
