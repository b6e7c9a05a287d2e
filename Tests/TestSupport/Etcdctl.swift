import EtcdGateway
import Foundation

extension EtcdCluster {
    /// Runs etcd's own command line as an operator, and waits for its end.
    ///
    /// - Parameter user: `name:password` of another user than the cluster's own root.
    /// - Returns: All that it wrote.
    @discardableResult
    package func etcdctl(_ arguments: [String], as user: String? = nil) async throws -> String {
        var environment = operatorEnvironment
        // Not as an option: etcdctl refuses an option and a variable for the same thing.
        if let user { environment["ETCDCTL_USER"] = user }
        environment["ETCDCTL_ENDPOINTS"] = endpoints[0].description
        return try await Self.output(["etcdctl"] + arguments, environment: environment)
    }

    /// Runs a command that may call etcdctl as an operator, and waits for its end.
    ///
    /// - Returns: All that it wrote.
    package func run(
        _ command: [String], environment: [String: String] = [:]
    ) async throws -> String {
        var all = operatorEnvironment.merging(environment) { $1 }
        all["ETCDCTL_ENDPOINTS"] = endpoints[0].description
        return try await Self.output(command, environment: all)
    }

    /// Gives a user of etcd another password.
    package func changePassword(of user: String, to password: String) async throws {
        let change = "etcdctl user passwd --interactive=false \"$0\""
        let script = "printf '%s\\n' \"$NEW_PASSWORD\" | \(change)"
        let said = try await run(
            ["bash", "-c", script, user], environment: ["NEW_PASSWORD": password])
        guard said.contains("Password updated") else { throw EtcdClusterError(said) }
    }
}
