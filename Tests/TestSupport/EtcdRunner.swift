import Dispatch
import Foundation

/// `scripts/run-etcd.py`, which runs the members of a cluster and ends them with this process.
final class EtcdRunner: Sendable {
    /// How the cluster is, as the program tells after its start and after each order.
    struct Report: Decodable {
        struct Member: Decodable {
            let pid: Int32?
            let endpoint: String
        }

        let folder: String
        let members: [Member]
        /// Of etcd's user `ledger`, where etcd has users.
        let password: String?
        let rootPassword: String?
        let error: String?
    }

    struct Order: Encodable {
        enum What: String, Encodable {
            case kill, restart
        }

        let `do`: What
        let member: Int
        var flags: [String]?
    }

    /// One order after another: each waits here for its answer.
    private let queue = DispatchQueue(label: "etcd-runner")
    private let orders: FileHandle
    private let answers: FileHandle

    /// Starts the program. What goes wrong it tells on standard error, which is the test's own.
    init(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = EtcdCluster.root.appending(path: "scripts/run-etcd.py")
        process.arguments = arguments
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        orders = input.fileHandleForWriting
        answers = output.fileHandleForReading
        try process.run()
    }

    /// Gives an order and waits until it is carried out; without one, until the cluster has started.
    func report(after order: Order? = nil) async throws -> Report {
        let report = try await inTurn { [self] in
            if let order {
                try orders.write(contentsOf: JSONEncoder().encode(order) + Data("\n".utf8))
            }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Report.self, from: readLine())
        }
        if let error = report.error { throw EtcdClusterError(error) }
        return report
    }

    /// Ends everything, and waits until it is gone.
    func stop() async {
        try? await inTurn { [self] in
            try orders.close()
            while !answers.availableData.isEmpty {}
        }
    }

    private func readLine() throws -> Data {
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            let more = answers.availableData
            guard !more.isEmpty else {
                throw EtcdClusterError("etcd could not be started; why stands before this")
            }
            line += more
        }
        return line
    }

    private func inTurn<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: body)) }
        }
    }
}
