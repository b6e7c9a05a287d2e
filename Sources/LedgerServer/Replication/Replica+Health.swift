package import LedgerAPI
import LedgerCore
package import LedgerReplica
import SwiftProtobuf

extension Replica {
    /// The replica that seals, as the detailed view of health shows it; nothing where this one depends on no other.
    package var dependencies: [Ledger_DependencyHealth] {
        let (part, address) = self.part
        guard let address else { return [] }
        let isUsed = part == "following"
        return [
            .with {
                $0.name = "sealer/\(address)"
                $0.type = .grpcService
                // Another replica takes over where it fails.
                $0.isCritical = false
                $0.status = isUsed ? .healthy : .degraded
                $0.message =
                    isUsed
                    ? "events are forwarded to this replica, which seals"
                    : "this replica cannot be used; events are sealed beside it"
                $0.metadata = ["part": part]
                if let target = HostPort(address) {
                    $0.config = .with {
                        $0.hostname = target.host
                        $0.port = Int32(clamping: target.port)
                        $0.protocol = "grpc"
                    }
                }
            }
        ]
    }
}
