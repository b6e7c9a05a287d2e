import EtcdGateway
import Foundation

extension EtcdCluster {
    /// Runs etcd's own command line as an operator, and waits for its end.
    ///
    /// - Parameter user: `name:password` of another user than the cluster's own root.
    package func etcdctl(_ arguments: [String], as user: String? = nil) async throws {
        var environment = operatorEnvironment
        // Not as an option: etcdctl refuses an option and a variable for the same thing.
        if let user { environment["ETCDCTL_USER"] = user }
        environment["ETCDCTL_ENDPOINTS"] = endpoints[0].description
        _ = try await Self.output(["etcdctl"] + arguments, environment: environment)
    }
}
