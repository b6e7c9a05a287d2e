import Foundation

/// The smallest HTTP client, for the ports that speak HTTP.
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

    /// One answer, whole: what came in chunks is put together.
    package struct Answer: Sendable {
        package var status: Int
        /// By their names in lower case.
        package var headers: [String: String]
        package var body: [UInt8]
        /// Whether all of the body came.
        package var isWhole: Bool

        package var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// Asks for a path; nil when nobody answers, or not in HTTP.
    ///
    /// - Parameter headers: further lines, each with its line break.
    package static func ask(
        port: Int, _ path: String, method: String = "GET", headers: String = ""
    ) async -> Answer? {
        let request = "\(method) \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(headers)\r\n"
        return parse(await exchangeBytes(port: port, request), hasBody: method != "HEAD")
    }

    private static func parse(_ bytes: [UInt8], hasBody: Bool) -> Answer? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            .components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        let rest = bytes[end.upperBound...]
        if headers["transfer-encoding"] == "chunked", hasBody {
            let (body, isWhole) = joined(rest)
            return Answer(status: status, headers: headers, body: body, isWhole: isWhole)
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        return Answer(
            status: status, headers: headers, body: Array(rest),
            isWhole: !hasBody || rest.count == length)
    }

    /// Puts chunks together; false where the last one is missing.
    private static func joined(_ bytes: ArraySlice<UInt8>) -> ([UInt8], Bool) {
        var (rest, body) = (bytes, [UInt8]())
        while let end = rest.firstRange(of: [13, 10]) {
            let line = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            guard let count = Int(line, radix: 16) else { break }
            if count == 0 { return (body, true) }
            rest = rest[end.upperBound...]
            guard rest.count >= count + 2 else { break }
            body += rest.prefix(count)
            rest = rest.dropFirst(count + 2)
        }
        return (body, false)
    }

    /// Sends a request and waits for all that comes back until the server closes; empty when nobody answers.
    package static func exchange(port: Int, _ request: String) async -> String {
        String(decoding: await exchangeBytes(port: port, request), as: UTF8.self)
    }

    private static func exchangeBytes(port: Int, _ request: String) async -> [UInt8] {
        await withCheckedContinuation { continuation in
            // On a thread of its own: a test that blocks would take one of the few that a server in the same process
            // needs to answer.
            Thread.detachNewThread {
                continuation.resume(returning: blockingExchange(port: port, Array(request.utf8)))
            }
        }
    }

    private static func blockingExchange(port: Int, _ request: [UInt8]) -> [UInt8] {
        guard let socket = LoopbackSocket(connectedTo: port) else { return [] }
        defer { socket.close() }
        socket.limitReads(toSeconds: 10)
        socket.write(request)
        var answer: [UInt8] = []
        while let bytes = socket.read() { answer += bytes }
        return answer
    }
}
