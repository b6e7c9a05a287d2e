package import EtcdGateway
import Synchronization

/// An HTTP/1.1 server that answers each request the way the test's script says.
package final class ScriptedPeer: Sendable {
    package enum Reply: Sendable {
        /// A whole answer.
        case answer(Int, String, headers: [String] = [])
        /// These bytes as they are, then the end of the connection.
        case raw(String)
        /// The end of the connection, with no answer.
        case disconnect
        /// Nothing, as long as the client waits.
        case silence
        /// A chunked answer with so many bytes of body.
        case endless(bytes: Int)
    }

    package struct Request: Sendable {
        package var head: String
        package var body: [UInt8]
    }

    /// What etcd says in every answer.
    package static let header =
        #""header":{"cluster_id":"1","member_id":"2","revision":"3","raft_term":"4"}"#

    private let listener: LoopbackListener
    private let received: Received

    /// - Parameters:
    ///   - port: nil for one that nobody listens on.
    ///   - script: Called with the number of the request, from 0, and the request.
    package init(
        port: Int? = nil, _ script: @escaping @Sendable (Int, Request) -> Reply
    ) throws {
        let received = Received()
        self.received = received
        listener = try LoopbackListener(port: port) { connection in
            var pending: [UInt8] = []
            while let request = Self.readRequest(connection, &pending) {
                let number = received.append(request)
                let answersHead = request.head.hasPrefix("HEAD ")
                guard
                    Self.reply(script(number, request), on: connection, withoutBody: answersHead)
                else { return }
            }
        }
    }

    /// Every request so far, in the order of arrival.
    package var requests: [Request] { received.all }

    package var port: Int { listener.port }

    package var endpoint: EtcdEndpoint {
        EtcdEndpoint(scheme: .http, host: "127.0.0.1", port: listener.port)
    }

    package func stop() { listener.stop() }

    private final class Received: Sendable {
        private let requests = Mutex<[Request]>([])

        var all: [Request] { requests.withLock { $0 } }

        func append(_ request: Request) -> Int {
            requests.withLock { requests in
                requests.append(request)
                return requests.count - 1
            }
        }
    }

    private static func readRequest(
        _ connection: LoopbackConnection, _ pending: inout [UInt8]
    ) -> Request? {
        let separator = Array("\r\n\r\n".utf8)
        while true {
            if let end = pending.firstRange(of: separator) {
                let head = String(decoding: pending[..<end.lowerBound], as: UTF8.self)
                let length = contentLength(head)
                if pending.count - end.upperBound >= length {
                    let body = Array(pending[end.upperBound..<(end.upperBound + length)])
                    pending.removeFirst(end.upperBound + length)
                    return Request(head: head, body: body)
                }
            }
            guard let more = connection.read() else { return nil }
            pending += more
        }
    }

    private static func contentLength(_ head: String) -> Int {
        for line in head.split(separator: "\r\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "content-length" {
                return Int(parts[1].drop { $0 == " " }) ?? 0
            }
        }
        return 0
    }

    /// - Returns: Whether the connection is still good.
    private static func reply(
        _ reply: Reply, on connection: LoopbackConnection, withoutBody: Bool
    ) -> Bool {
        switch reply {
        case .answer(let status, let body, let headers):
            let lines =
                ["HTTP/1.1 \(status) Whatever", "Content-Length: \(body.utf8.count)"] + headers
            let sent = withoutBody ? "" : body
            connection.write((lines.joined(separator: "\r\n") + "\r\n\r\n" + sent).utf8)
            return true
        case .raw(let text):
            connection.write(text.utf8)
            return false
        case .disconnect:
            return false
        case .silence:
            while connection.read() != nil {}
            return false
        case .endless(let bytes):
            connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
            let chunk = String(repeating: "x", count: 1_000)
            for _ in 0..<(bytes / 1_000) { connection.write("3e8\r\n\(chunk)\r\n".utf8) }
            connection.write("0\r\n\r\n".utf8)
            return true
        }
    }
}
