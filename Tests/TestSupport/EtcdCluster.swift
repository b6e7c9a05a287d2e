package import EtcdGateway
package import Foundation
import Glibc
import Logging
import Synchronization

/// A real etcd cluster with mutual TLS on this machine, for one test or one suite.
///
/// Its members die and its data is removed when `stop()` is called, and also when the test's
/// process dies in whatever way: `scripts/run-etcd.py` notices that its standard input ended.
package actor EtcdCluster {
    /// The passwords of etcd's users, where its roles are on.
    private struct Passwords {
        let root: String
        let ledger: String
    }

    /// Where the members' data and logs are: `m1` and `etcd-m1.log` for the first.
    package nonisolated let folder: URL
    /// Where the certificates are: `ca.pem`, `etcd-client.pem`, `etcd-client-key.pem` and more.
    package nonisolated let certificates: URL
    /// The members' client addresses, by their index.
    package nonisolated let endpoints: [EtcdEndpoint]
    private nonisolated let passwords: Passwords?
    private let runner: EtcdRunner
    /// The members' process ids; nil while one does not run.
    private var processIDs: [Int32?]
    private let client: EtcdClient
    private var isStopped = false

    /// Starts a cluster and waits until every member knows a leader.
    ///
    /// - Parameters:
    ///   - size: The number of members.
    ///   - flags: Further flags for each member.
    ///   - prefix: What the ledger's user may use, and nothing else, as in Kubernetes; where it is
    ///     nil, etcd has no users and roles.
    ///   - certificates: A folder, made where there is none; by default the one that all tests share.
    package static func start(
        size: Int = 3, flags: [String] = [], restrictedTo prefix: String? = nil,
        certificates: URL? = nil
    ) async throws -> EtcdCluster {
        let folder = certificates ?? root.appending(path: "certs/dev")
        var arguments = ["--members", "\(size)", "--certs", folder.path]
        if let prefix { arguments += ["--restrict", prefix] }
        let runner = try EtcdRunner(arguments + ["--"] + flags)
        return try EtcdCluster(runner, certificates: folder, report: await runner.report())
    }

    private init(
        _ runner: EtcdRunner, certificates: URL, report: EtcdRunner.Report
    ) throws {
        self.runner = runner
        self.certificates = certificates
        folder = URL(fileURLWithPath: report.folder)
        endpoints = try report.members.map { try EtcdEndpoint(parsing: $0.endpoint) }
        processIDs = report.members.map(\.pid)
        passwords = report.password.flatMap { ledger in
            report.rootPassword.map { Passwords(root: $0, ledger: ledger) }
        }
        client = try EtcdClient(
            configuration: Self.configuration(endpoints, certificates),
            logger: Logger(label: "test.etcd-cluster") { _ in SwiftLogNoOpLogHandler() })
    }

    /// How a client reaches the cluster.
    package nonisolated var configuration: EtcdConfiguration {
        var configuration = Self.configuration(endpoints, certificates)
        if let passwords {
            configuration.username = "ledger"
            configuration.password = passwords.ledger
        }
        return configuration
    }

    /// The settings that make `ledger-service` use the cluster.
    package nonisolated var environment: [String: String] {
        var environment = [
            "ETCD_ENDPOINTS": endpoints.map(\.description).joined(separator: ","),
            "ETCD_CA_CERT": certificates.appending(path: "ca.pem").path,
            "ETCD_CLIENT_CERT": certificates.appending(path: "etcd-client.pem").path,
            "ETCD_CLIENT_KEY": certificates.appending(path: "etcd-client-key.pem").path,
        ]
        if let passwords {
            environment["ETCD_USERNAME"] = "ledger"
            environment["ETCD_PASSWORD"] = passwords.ledger
        }
        return environment
    }

    /// The settings that make etcdctl an operator of the cluster: etcd's user root where it has
    /// users. Empty ones hide what this shell is set for.
    nonisolated var operatorEnvironment: [String: String] {
        [
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": endpoints.map(\.description).joined(separator: ","),
            "ETCDCTL_CACERT": certificates.appending(path: "ca.pem").path,
            "ETCDCTL_CERT": certificates.appending(path: "etcd-operations.pem").path,
            "ETCDCTL_KEY": certificates.appending(path: "etcd-operations-key.pem").path,
            "ETCDCTL_USER": passwords == nil ? "" : "root",
            "ETCDCTL_PASSWORD": passwords?.root ?? "",
        ]
    }

    /// Kills a member at once (SIGKILL) and waits for its end; its data stays.
    package func kill(_ member: Int) async {
        // Where the program has ended, so have all members.
        _ = try? await runner.report(after: EtcdRunner.Order(do: .kill, member: member))
        processIDs[member] = nil
    }

    /// Stops a member without ending it (SIGSTOP): its connections stay open and silent.
    package func pause(_ member: Int) {
        if let processID = processIDs[member] { pauseProcess(processID) }
    }

    /// Lets a paused member go on.
    package func resume(_ member: Int) {
        if let processID = processIDs[member] { _ = Glibc.kill(processID, SIGCONT) }
    }

    /// Ends a member if it runs, starts it with the data it has, and waits until it knows a leader.
    ///
    /// - Parameter flags: From now on instead of the flags that the cluster was started with.
    package func restart(_ member: Int, flags: [String]? = nil) async throws {
        let order = EtcdRunner.Order(do: .restart, member: member, flags: flags)
        processIDs = try await runner.report(after: order).members.map(\.pid)
    }

    /// The member that is the leader, in the eyes of any that answers.
    package func leader() async throws -> Int {
        for endpoint in endpoints {
            guard let status = try? await client.status(of: endpoint), status.leader != 0 else {
                continue
            }
            for (index, other) in endpoints.enumerated() {
                guard let candidate = try? await client.status(of: other) else { continue }
                if candidate.memberID == status.leader { return index }
            }
        }
        throw EtcdClusterError("no member knows a leader")
    }

    /// Ends everything and removes the data.
    package func stop() async {
        guard !isStopped else { return }
        isStopped = true
        await client.shutdown()
        await runner.stop()
    }
}

// MARK: Pieces

extension EtcdCluster {
    /// The top of the repository.
    package static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Makes a CA and certificates of its own in a folder, where they are missing.
    package static func certificates(in folder: URL) async throws -> URL {
        let said = try await output(["bash", certificateScript, folder.path])
        guard FileManager.default.fileExists(atPath: folder.appending(path: "ca.pem").path) else {
            throw EtcdClusterError("no certificates:\n\(said)")
        }
        return folder
    }

    /// Makes certificates anew, signed by the same CAs.
    package static func rotate(_ names: [String], in folder: URL) async throws {
        let said = try await output(
            ["bash", certificateScript] + names.flatMap { ["--rotate", $0] } + [folder.path])
        for name in names where !said.contains("\(name).pem") {
            throw EtcdClusterError("\(name) was not made anew:\n\(said)")
        }
    }

    private static var certificateScript: String {
        root.appending(path: "certs/make-certs.sh").path
    }

    /// Runs a command, found in PATH, and returns all that it wrote.
    ///
    /// - Parameter environment: What is added to this process's own.
    package static func output(
        _ command: [String], environment: [String: String] = [:]
    ) async throws -> String {
        let log = FileManager.default.temporaryDirectory
            .appending(path: "ledger-command-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let process = try ChildProcess(
            URL(fileURLWithPath: "/usr/bin/env"), arguments: command,
            environment: ProcessInfo.processInfo.environment.merging(environment) { $1 },
            in: root, log: log)
        await process.waitForEnd()
        return process.output
    }

    /// A configuration for these members with the client certificate of these certificates.
    package static func configuration(
        _ endpoints: [EtcdEndpoint], _ certificates: URL
    ) -> EtcdConfiguration {
        EtcdConfiguration(
            endpoints: endpoints, caCertificatePath: certificates.appending(path: "ca.pem").path,
            clientCertificatePath: certificates.appending(path: "etcd-client.pem").path,
            clientKeyPath: certificates.appending(path: "etcd-client-key.pem").path)
    }
}

// MARK: Sharing

extension EtcdCluster {
    /// Below this are the ledgers of tests, and their service's user may use nothing else.
    package static let ledgers = "ledgers/"

    private static let sharedCluster = Mutex<Task<EtcdCluster, any Error>?>(nil)
    private static let sharedRestrictedCluster = Mutex<Task<EtcdCluster, any Error>?>(nil)

    /// A cluster of three that the whole process shares, started when it is first asked for.
    ///
    /// It ends with the process. Tests that use it keep to keys of their own, and disturb no
    /// member.
    package static func shared() async throws -> EtcdCluster {
        let task = sharedCluster.withLock { shared in
            // Unstructured: the first test that asks must not take the cluster with it.
            let task = shared ?? Task { try await start() }
            shared = task
            return task
        }
        return try await task.value
    }

    /// The same with users and roles, as in Kubernetes, for tests of the service.
    package static func sharedForLedgers() async throws -> EtcdCluster {
        let task = sharedRestrictedCluster.withLock { shared in
            let task = shared ?? Task { try await start(restrictedTo: ledgers) }
            shared = task
            return task
        }
        return try await task.value
    }
}
