package import EtcdGateway
package import Foundation
import Logging
import Synchronization

/// A real etcd cluster with mutual TLS on this machine, for one test or one suite.
///
/// Its members die and its data is removed when `stop()` is called, and also when the test's
/// process dies in whatever way: a watching shell notices that its standard input ended.
package actor EtcdCluster {
    /// The passwords of etcd's users, where its roles are on.
    private struct Passwords {
        let root = UUID().uuidString
        let ledger = UUID().uuidString
    }

    private struct Member {
        var name: String
        var clientPort: Int
        var peerPort: Int
        var process: EtcdClusterProcess?
        var isPaused = false
    }

    /// Where the members' data and logs are.
    package nonisolated let folder: URL
    /// Where the certificates are: `ca.pem`, `etcd-client.pem`, `etcd-client-key.pem` and more.
    package nonisolated let certificates: URL
    /// The members' client addresses, by their index.
    package nonisolated let endpoints: [EtcdEndpoint]
    private nonisolated let passwords: Passwords?
    private var members: [Member]
    private var flags: [String]
    private let watcher: EtcdClusterProcess
    private let client: EtcdClient
    private var isStopped = false

    /// How long a cluster may take to elect its first leader.
    private static let startTimeout = Duration.seconds(60)

    /// Starts a cluster and waits until every member knows a leader.
    ///
    /// - Parameters:
    ///   - size: The number of members.
    ///   - flags: Further flags for each member.
    ///   - prefix: What the ledger's user may use, and nothing else, as in Kubernetes; where it is
    ///     nil, etcd has no users and roles.
    ///   - parent: The folder below which data and logs are kept; by default in memory.
    package static func start(
        size: Int = 3, flags: [String] = [], restrictedTo prefix: String? = nil,
        in parent: URL? = nil
    ) async throws -> EtcdCluster {
        let certificates = try await developmentCertificates()
        let cluster = try EtcdCluster(
            size: size, flags: flags, isRestricted: prefix != nil, parent: parent ?? memory,
            certificates: certificates)
        do {
            for index in 0..<size { try await cluster.startProcess(index) }
            try await cluster.waitUntilHealthy()
            if let prefix { try await cluster.restrictAccess(to: prefix) }
        } catch {
            await cluster.stop()
            throw error
        }
        return cluster
    }

    private init(
        size: Int, flags: [String], isRestricted: Bool, parent: URL, certificates: URL
    ) throws {
        let ports = try EtcdClusterPorts.free(2 * size)
        members = (0..<size).map { index in
            Member(
                name: "m\(index + 1)", clientPort: ports[2 * index],
                peerPort: ports[2 * index + 1])
        }
        self.flags = flags
        passwords = isRestricted ? Passwords() : nil
        self.certificates = certificates
        folder = parent.appending(path: "ledger-etcd-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        endpoints = members.map {
            EtcdEndpoint(scheme: .https, host: "127.0.0.1", port: $0.clientPort)
        }
        watcher = try Self.watch(folder)
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
        guard let process = members[member].process else { return }
        process.send(SIGKILL)
        await process.waitForEnd()
        members[member].process = nil
        members[member].isPaused = false
        removeProcessID(member)
    }

    /// Stops a member without ending it (SIGSTOP): its connections stay open and silent.
    package func pause(_ member: Int) {
        members[member].process?.send(SIGSTOP)
        members[member].isPaused = true
    }

    /// Lets a paused member go on.
    package func resume(_ member: Int) {
        members[member].process?.send(SIGCONT)
        members[member].isPaused = false
    }

    /// Ends a member if it runs, starts it with the data it has, and waits until it is healthy.
    ///
    /// - Parameter flags: From now on instead of the flags that the cluster was started with.
    package func restart(_ member: Int, flags: [String]? = nil) async throws {
        await kill(member)
        if let flags { self.flags = flags }
        try startProcess(member)
        try await waitUntilHealthy(only: member)
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

    /// Waits until every member that should run knows a leader.
    package func waitUntilHealthy(only member: Int? = nil) async throws {
        let deadline = ContinuousClock.now + Self.startTimeout
        for index in member.map({ [$0] }) ?? Array(members.indices) {
            guard let process = members[index].process, !members[index].isPaused else { continue }
            while true {
                let status = try? await client.status(of: endpoints[index])
                if let status, status.leader != 0 { break }
                if process.hasEnded || .now > deadline {
                    throw EtcdClusterError(
                        "member \(index) is not healthy:\n\(lastLines(of: process.log))")
                }
                // There is nothing else to wait for: etcd does not tell when it is ready.
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// Ends everything and removes the data.
    package func stop() async {
        guard !isStopped else { return }
        isStopped = true
        for index in members.indices { await kill(index) }
        await client.shutdown()
        watcher.endInput()
        await watcher.waitForEnd()
    }
}

// MARK: Pieces

extension EtcdCluster {
    private static var memory: URL {
        let shared = "/dev/shm"
        return FileManager.default.isWritableFile(atPath: shared)
            ? URL(fileURLWithPath: shared) : FileManager.default.temporaryDirectory
    }

    /// The top of the repository.
    package static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Makes the certificates of `certs/dev` where they are missing.
    package static func developmentCertificates() async throws -> URL {
        try await certificates(in: root.appending(path: "certs/dev"))
    }

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

    /// Runs a command and returns all that it wrote.
    package static func output(_ command: [String]) async throws -> String {
        let log = FileManager.default.temporaryDirectory
            .appending(path: "ledger-command-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let process = try EtcdClusterProcess(command, log: log)
        await process.waitForEnd()
        return try text(of: log)
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

    /// Starts the shell that outlives this process for as long as it takes to clean up.
    private static func watch(_ folder: URL) throws -> EtcdClusterProcess {
        let script = """
            trap '' INT TERM HUP
            cat > /dev/null
            for file in "$1"/*.pid; do
                [ -f "$file" ] && kill -9 "$(cat "$file")" 2> /dev/null
            done
            rm -rf "$1"
            """
        return try EtcdClusterProcess(
            ["sh", "-c", script, "watcher", folder.path],
            log: URL(fileURLWithPath: "/dev/null"), keepsInput: true)
    }

    private func startProcess(_ index: Int) throws {
        let member = members[index]
        let cluster = members.map { "\($0.name)=https://127.0.0.1:\($0.peerPort)" }
            .joined(separator: ",")
        let script = Self.root.appending(path: "scripts/etcd-member.sh").path
        let data = folder.appending(path: member.name).path
        // The script becomes etcd itself, so that signals reach it.
        let process = try EtcdClusterProcess(
            [
                "bash", script, member.name, data, certificates.path, "\(member.clientPort)",
                "\(member.peerPort)", cluster,
            ] + flags,
            log: folder.appending(path: "\(member.name).log"))
        members[index].process = process
        try "\(process.processID)".write(
            to: processIDFile(index), atomically: true, encoding: .utf8)
    }

    /// Turns on users and roles with the script that does it in Kubernetes.
    private func restrictAccess(to prefix: String) async throws {
        guard let passwords else { return }
        let script = Self.root.appending(path: "k8s/ops/etcd-bootstrap-auth.sh").path
        var environment = operatorEnvironment
        environment["LEDGER_ETCD_USERNAME"] = "ledger"
        environment["LEDGER_ETCD_PASSWORD"] = passwords.ledger
        environment["LEDGER_PREFIX"] = prefix
        let log = folder.appending(path: "access.log")
        let process = try EtcdClusterProcess(["bash", script], environment: environment, log: log)
        await process.waitForEnd()
        // The script's last line, after it has tried what the user may and may not do.
        guard try Self.text(of: log).contains("may use \(prefix) and nothing else") else {
            throw EtcdClusterError("etcd's users could not be set:\n\(lastLines(of: log))")
        }
    }

    private func processIDFile(_ index: Int) -> URL {
        folder.appending(path: "\(members[index].name).pid")
    }

    private func removeProcessID(_ index: Int) {
        try? FileManager.default.removeItem(at: processIDFile(index))
    }

    private nonisolated func lastLines(of log: URL) -> String {
        let lines = ((try? Self.text(of: log)) ?? "").split(separator: "\n")
        return lines.suffix(20).joined(separator: "\n")
    }

    private static func text(of file: URL) throws -> String {
        String(decoding: try Data(contentsOf: file), as: UTF8.self)
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
