import Foundation

/// The smallest HTTP client, for the admin port.
package enum LoopbackHTTP {
    /// The status code of a GET, nil when nobody answers.
    package static func status(port: Int, path: String) async throws -> Int? {
        try await get(port: port, path: path)?.status
    }

    /// Status and body of a GET, nil when nobody answers.
    package static func get(
        port: Int, path: String
    ) async throws -> (status: Int, body: String)? {
        let answer = await exchange(
            port: port, "GET \(path) HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n\r\n")
        guard let line = answer.split(separator: "\r\n").first else { return nil }
        let words = line.split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { return nil }
        let body = answer.firstRange(of: "\r\n\r\n").map { String(answer[$0.upperBound...]) }
        return (status, body ?? "")
    }

    /// Sends a request and waits for all that comes back until the server closes; empty when nobody answers.
    package static func exchange(port: Int, _ request: String) async -> String {
        await withCheckedContinuation { continuation in
            // On a thread of its own: a test that blocks would take one of the few that a server in the same process
            // needs to answer.
            Thread.detachNewThread {
                continuation.resume(returning: blockingExchange(port: port, Array(request.utf8)))
            }
        }
    }

    private static func blockingExchange(port: Int, _ request: [UInt8]) -> String {
        guard let socket = LoopbackSocket(connectedTo: port) else { return "" }
        defer { socket.close() }
        socket.limitReads(toSeconds: 10)
        socket.write(request)
        var answer: [UInt8] = []
        while let bytes = socket.read() { answer += bytes }
        return String(decoding: answer, as: UTF8.self)
    }
}
