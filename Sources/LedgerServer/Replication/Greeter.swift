import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import LedgerStore
import SwiftProtobuf

/// Makes and checks the first message between two replicas: that both mean the same ledger (PROTOCOL.md 20).
struct Greeter: Sendable {
    /// The id of this replica's hint.
    let id: String
    let prefix: [UInt8]
    let sealer: Sealer
    let observer: HeadObserver
    let blocks: BlockReader

    /// How long the head that a caller knows may take to be read here.
    private static let catchUpTimeout = Duration.seconds(2)

    /// The greeting to the replica of a hint.
    func greeting(to hint: SealerHint) -> Ledger_Internal_Greeting {
        let head = sealer.knownObservation?.head
        return .with {
            $0.clusterID = sealer.clusterID
            $0.prefix = Data(prefix)
            $0.sealerID = hint.id
            $0.headNumber = head?.sequence.rawValue ?? 0
            if let head, head.sequence > .zero { $0.headHash = Data(head.eventHash.bytes) }
        }
    }

    /// - Throws: why the caller is not served.
    func check(_ greeting: Ledger_Internal_Greeting) async throws {
        guard greeting.clusterID == sealer.clusterID else {
            throw refusal("the caller's etcd cluster is another one")
        }
        guard Array(greeting.prefix) == prefix else {
            throw refusal("the caller's ledger has another prefix")
        }
        guard greeting.sealerID == id else {
            throw refusal("the hint that led here is not this replica's")
        }
        let number = SequenceNumber(rawValue: greeting.headNumber)
        guard number > .zero else { return }
        guard let hash = EventHash(bytes: Array(greeting.headHash)) else {
            throw refusal("the head's hash has not 32 bytes")
        }
        try await checkContains(number, hash)
    }

    /// A head that a linearizable read does not contain was taken away: the store was rolled back.
    private func checkContains(_ number: SequenceNumber, _ hash: EventHash) async throws {
        if (sealer.coveredNumber ?? .zero) < number {
            let found = try await observer.observe().head.sequence
            guard found >= number else {
                sealer.contradicted(by: .rolledBack(known: number, found: found))
                throw refusal("the store has lost what the caller knows to be sealed")
            }
            await sealer.waitUntilCovered(number, within: Self.catchUpTimeout)
        }
        guard let known = sealer.knownObservation?.head, known.sequence >= number else {
            throw RPCError(code: .unavailable, message: "this replica is still catching up")
        }
        let found =
            known.sequence == number
            ? known.eventHash
            : try await blocks.event(number, startedBy: sealer.blockStart(of: number)).eventHash
        guard found == hash else {
            sealer.contradicted(by: .rolledBack(known: number, found: known.sequence))
            throw refusal("another event has the number of the caller's head")
        }
    }

    private func refusal(_ why: String) -> RPCError {
        RPCError(code: .failedPrecondition, message: why)
    }
}
