package import LedgerAPI
import LedgerCore
import SwiftProtobuf

extension Replica {
    /// The sealing replica, as the detailed view of health shows it; nothing while this replica seals.
    package var dependencies: [Ledger_DependencyHealth] {
        let (part, followed) = self.part
        return [
            .with {
                $0.name = followed.map { "sealer/\($0)" } ?? "sealer"
                $0.type = .grpcService
                $0.isCritical = false
                $0.metadata = ["part": part]
                switch part {
                case "sealing":
                    $0.status = .healthy
                    $0.message = "this replica seals"
                case "following" where followed != nil:
                    $0.status = .healthy
                    $0.message = "events are forwarded to the replica that seals"
                case "idle":
                    $0.status = .healthy
                    $0.message = "this replica takes no part in elections: it seals for itself"
                case "direct":
                    $0.status = .degraded
                    $0.message = "the sealing replica cannot be used; events are sealed beside it"
                default:
                    $0.status = .degraded
                    $0.message = "a sealing replica is being sought"
                }
            }
        ]
    }
}
