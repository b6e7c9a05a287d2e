import EtcdGateway
import Foundation

extension EtcdCluster {
    /// Runs etcd's own command line on the first member, and waits for its end.
    package func etcdctl(_ arguments: [String]) async throws {
        let process = try EtcdClusterProcess(
            [
                "etcdctl", "--endpoints", endpoints[0].description,
                "--cacert", certificates.appending(path: "ca.pem").path,
                "--cert", certificates.appending(path: "etcd-client.pem").path,
                "--key", certificates.appending(path: "etcd-client-key.pem").path,
            ] + arguments,
            environment: ["ETCDCTL_API": "3"], log: folder.appending(path: "etcdctl.log"))
        await process.waitForEnd()
    }
}
