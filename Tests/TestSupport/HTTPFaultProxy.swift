import Foundation
import Synchronization

/// Passes HTTP/1.1 requests on to a server on this machine, and breaks some of them as a script has it.
///
/// One connection of the client is one of the server's; requests on it come one after another. It does not look into
/// bodies, and keeps the header field `Host`, which is part of a signature.
package final class HTTPFaultProxy: Sendable {
    package enum Fault: Sendable {
        /// The request reaches nobody, and the connection ends.
        case dropped
        /// The request is carried out, and the connection ends without its answer.
        case answerLost
        /// The request is carried out, and the answer ends in the middle of its body, or of its header.
        case truncated
        /// One bit of the answer's body is another.
        case flippedBit
        /// The request reaches nobody, and this is the answer.
        case answered(status: Int, headers: [String] = [], body: String)
        /// The request is carried out, and the answer comes later.
        case late(Duration)
        /// Nothing is heard any more.
        case silent

        /// What S3 says where it has too much to do.
        package static let slowDown = answered(
            status: 503, body: "<Error><Code>SlowDown</Code><Message>slow</Message></Error>")
    }

    private let listener: LoopbackListener
    private let seen: Seen

    private final class Seen: Sendable {
        let heads = Mutex<[String]>([])

        func append(_ head: String) -> Int {
            heads.withLock { heads in
                heads.append(head)
                return heads.count - 1
            }
        }
    }

    /// - Parameters:
    ///   - target: The server's port on 127.0.0.1.
    ///   - script: Called with the number of the request, from 0, and its head; nil passes it on.
    package init(
        to target: Int, _ script: @escaping @Sendable (Int, String) -> Fault?
    ) throws {
        let seen = Seen()
        self.seen = seen
        listener = try LoopbackListener { client in
            guard let server = LoopbackConnection(to: target) else { return }
            defer { server.disconnect() }
            var requests = HTTPMessages(client)
            var answers = HTTPMessages(server)
            while let request = requests.next(answersHead: false) {
                let fault = script(seen.append(request.head), request.head)
                switch fault {
                case .dropped: return
                case .answered(let status, let headers, let body):
                    let lines =
                        ["HTTP/1.1 \(status) Whatever", "Content-Length: \(body.utf8.count)"]
                        + headers
                    let isHead = request.head.hasPrefix("HEAD ")
                    client.write(
                        (lines.joined(separator: "\r\n") + "\r\n\r\n" + (isHead ? "" : body)).utf8)
                    continue
                case .silent:
                    while client.read() != nil {}
                    return
                default: break
                }
                server.write(request.bytes)
                guard
                    let answer = answers.next(answersHead: request.head.hasPrefix("HEAD "))
                else { return }
                guard Self.pass(answer, to: client, fault) else { return }
            }
        }
    }

    package var port: Int { listener.port }

    /// The heads of all requests so far.
    package var heads: [String] { seen.heads.withLock { $0 } }

    package func stop() { listener.stop() }

    /// - Returns: Whether the connection is still good.
    private static func pass(
        _ answer: HTTPMessages.Message, to client: LoopbackConnection, _ fault: Fault?
    ) -> Bool {
        switch fault {
        case .answerLost: return false
        case .truncated:
            client.write(answer.bytes.prefix(max(1, answer.bytes.count - answer.bodyCount / 2 - 1)))
            return false
        case .flippedBit where answer.bodyCount > 0:
            var bytes = answer.bytes
            bytes[bytes.count - answer.bodyCount / 2 - 1] ^= 1
            client.write(bytes)
        case .late(let delay):
            Thread.sleep(
                forTimeInterval: Double(delay.components.attoseconds) * 1e-18
                    + Double(delay.components.seconds))
            client.write(answer.bytes)
        default: client.write(answer.bytes)
        }
        return true
    }
}

/// The messages that come over a connection, one after another; their bodies have a length, or are chunked.
private struct HTTPMessages {
    struct Message {
        var head: String
        /// All of it.
        var bytes: [UInt8]
        var bodyCount: Int
    }

    private let connection: LoopbackConnection
    private var pending: [UInt8] = []

    init(_ connection: LoopbackConnection) {
        self.connection = connection
    }

    /// - Parameter answersHead: Whether the message is the answer to a HEAD, which has no body whatever it says.
    mutating func next(answersHead: Bool) -> Message? {
        while true {
            if let end = pending.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: pending[..<end.lowerBound], as: UTF8.self)
                if let length = answersHead ? 0 : bodyCount(head, from: end.upperBound) {
                    let count = end.upperBound + length
                    let message = Message(
                        head: head, bytes: Array(pending[..<count]), bodyCount: length)
                    pending.removeFirst(count)
                    return message
                }
            }
            guard let more = connection.read() else { return nil }
            pending += more
        }
    }

    /// The length of a body that has come whole; nil where more is to come.
    private func bodyCount(_ head: String, from start: Int) -> Int? {
        var length = 0
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let value = parts[1].trimmingCharacters(in: .whitespaces)
            switch parts[0].lowercased() {
            case "content-length": length = Int(value) ?? 0
            case "transfer-encoding" where value == "chunked":
                let end = pending[start...].firstRange(of: Array("0\r\n\r\n".utf8))
                return end.map { $0.upperBound - start }
            default: break
            }
        }
        return pending.count - start >= length ? length : nil
    }
}
