import Foundation
import LedgerAPI
import LedgerCore
import LedgerReplica
import SwiftProtobuf

/// Opens connections to the internal port of the replica that seals.
struct ForwardLinks: ReplicaLinks {
    let settings: ForwardLink.Settings
    let prefix: [UInt8]
    let clock: any ReplicaClock
    let own: OwnHint

    func link(
        to hint: SealerHint, known: LedgerObservation?, clusterID: UInt64
    ) -> any ReplicaLink {
        let greeting = Ledger_Internal_Greeting.with {
            $0.clusterID = clusterID
            $0.prefix = Data(prefix)
            $0.sealerID = hint.id
            $0.headNumber = known?.head.sequence.rawValue ?? 0
            if let head = known?.head, head.sequence > .zero {
                $0.headHash = Data(head.eventHash.bytes)
            }
            if let hint = own.hint {
                $0.address = hint.address
                $0.id = hint.id
                $0.age = (clock.now - own.startedAt).count
            }
        }
        return ForwardLink(to: hint, greeting: greeting, settings: settings, clock: clock)
    }
}
