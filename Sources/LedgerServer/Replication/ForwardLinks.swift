import Foundation
import LedgerAPI
import LedgerCore
import LedgerReplica
import SwiftProtobuf
import Synchronization

/// Opens connections to the internal port of the replica that seals.
final class ForwardLinks: ReplicaLinks {
    private let settings: ForwardLink.Settings
    private let prefix: [UInt8]
    private let clock: any ReplicaClock
    /// etcd's cluster id, once it is known.
    private let clusterID = Mutex<@Sendable () -> UInt64>({ 0 })

    init(settings: ForwardLink.Settings, prefix: [UInt8], clock: any ReplicaClock) {
        self.settings = settings
        self.prefix = prefix
        self.clock = clock
    }

    /// Names the source of etcd's cluster id: the replica, which is made after this.
    func setClusterID(_ source: @escaping @Sendable () -> UInt64) {
        clusterID.withLock { $0 = source }
    }

    func link(to hint: SealerHint, known: LedgerObservation?) -> any ReplicaLink {
        let cluster = clusterID.withLock { $0 }()
        let greeting = Ledger_Internal_Greeting.with {
            $0.clusterID = cluster
            $0.prefix = Data(prefix)
            $0.sealerID = hint.id
            $0.headNumber = known?.head.sequence.rawValue ?? 0
            if let head = known?.head, head.sequence > .zero {
                $0.headHash = Data(head.eventHash.bytes)
            }
        }
        return ForwardLink(to: hint, greeting: greeting, settings: settings, clock: clock)
    }
}
