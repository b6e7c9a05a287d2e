import Dispatch
import Foundation
package import ObjectStorage
import Synchronization

/// A real S3 server on this machine: OpenStack Swift, which `scripts/s3_server.py` starts.
///
/// It ends with the test's process in whatever way that ends.
package final class S3Server: Sendable {
    package struct Report: Decodable, Sendable {
        /// Over TLS.
        package let endpoint: String
        package let plainEndpoint: String
        /// PEM file of the authority that signed the server's certificate.
        package let ca: String
        package let region: String
        package let bucket: String
        package let accessKey: String
        package let secretKey: String
        /// Below it, every bucket is a host.
        package let domain: String
        package let pids: [Int32]
    }

    package let report: Report
    /// Nil where the server is not this process's own.
    private let input: FileHandle?
    private let output: FileHandle?

    private init(_ report: Report, input: FileHandle? = nil, output: FileHandle? = nil) {
        self.report = report
        self.input = input
        self.output = output
    }

    /// Starts a server with an empty bucket, and waits until it answers.
    ///
    /// - Parameter page: The most objects on a page of a listing.
    package static func start(page: Int = 1000) async throws -> S3Server {
        if let given = try given() { return given }
        let process = Process()
        process.executableURL = EtcdCluster.root.appending(path: "scripts/s3_server.py")
        process.arguments = ["--page", "\(page)"]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let answers = output.fileHandleForReading
        let line: Data = await withCheckedContinuation { continuation in
            DispatchQueue(label: "s3-server").async {
                var line = Data()
                while line.last != UInt8(ascii: "\n") {
                    let more = answers.availableData
                    if more.isEmpty { break }
                    line += more
                }
                continuation.resume(returning: line)
            }
        }
        guard !line.isEmpty else {
            throw EtcdClusterError("the S3 server could not be started; why stands before this")
        }
        return S3Server(
            try decode(line), input: input.fileHandleForWriting, output: answers)
    }

    /// The server that the environment names, in the words in which the script reports its own: a store of another kind
    /// goes through the same tests.
    private static func given() throws -> S3Server? {
        guard let text = ProcessInfo.processInfo.environment["LEDGER_TEST_S3"] else { return nil }
        return S3Server(try decode(Data(text.utf8)))
    }

    private static func decode(_ report: Data) throws -> Report {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Report.self, from: report)
    }

    private static let sharedServer = Mutex<Task<S3Server, any Error>?>(nil)

    /// One that the whole process shares, with pages of ten objects; each test keeps to a prefix of its own.
    package static func shared() async throws -> S3Server {
        let task = sharedServer.withLock { shared in
            // Unstructured: the first test that asks must not take the server with it.
            let task = shared ?? Task { try await start(page: 10) }
            shared = task
            return task
        }
        return try await task.value
    }

    package var credentials: S3Credentials {
        S3Credentials(accessKey: report.accessKey, secretKey: report.secretKey)
    }

    /// Settings that reach the server over TLS, below a prefix that nobody else has.
    package var settings: S3Settings {
        var settings = S3Settings(
            bucket: report.bucket, prefix: "t/\(UUID().uuidString)",
            credentials: .fixed(credentials))
        settings.endpoint = report.endpoint
        settings.region = report.region
        settings.caCertificatePath = report.ca
        return settings
    }

    /// The port without TLS.
    package var plainPort: Int {
        report.plainEndpoint.split(separator: ":").last.flatMap { Int($0) } ?? 0
    }

    /// Ends it, and removes what it stored.
    package func stop() async {
        guard let input, let output else { return }
        try? input.close()
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            DispatchQueue(label: "s3-server").async {
                while !output.availableData.isEmpty {}
                continuation.resume()
            }
        }
    }
}
