import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import LedgerReplica
import LedgerStore
import SwiftProtobuf

/// Checks the first message of another replica: that both mean the same ledger (protocol.md 20).
struct Greeter: Sendable {
    /// The id of this replica's hint.
    let id: String
    let prefix: [UInt8]
    let replica: Replica
    let blocks: BlockReader

    /// How long the head that a caller knows may take to be read here.
    private static let catchUpTimeout = Nanoseconds.milliseconds(2_000)

    /// - Throws: why the caller is not served.
    func check(_ greeting: Ledger_Internal_Greeting) async throws {
        guard greeting.clusterID == replica.clusterID else {
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
        if (replica.coveredNumber ?? .zero) < number {
            let found = try await replica.heads.observe().head.sequence
            guard found >= number else {
                replica.contradicted(by: .rolledBack(known: number, found: found))
                throw refusal("the store has lost what the caller knows to be sealed")
            }
            await replica.waitUntilCovered(number, within: Self.catchUpTimeout)
        }
        guard let known = replica.knownObservation?.head, known.sequence >= number else {
            throw RPCError(code: .unavailable, message: "this replica is still catching up")
        }
        let found =
            known.sequence == number
            ? known.eventHash
            : try await blocks.event(number, startedBy: replica.blockStart(of: number)).eventHash
        guard found == hash else {
            replica.contradicted(by: .rolledBack(known: number, found: known.sequence))
            throw refusal("another event has the number of the caller's head")
        }
    }

    private func refusal(_ why: String) -> RPCError {
        RPCError(code: .failedPrecondition, message: why)
    }
}
