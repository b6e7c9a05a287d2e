import Foundation
package import GRPCCore
package import LedgerAPI
import LedgerCore
package import LedgerTransparency
import SwiftProtobuf

/// Serves the calls for checkpoints, proofs and receipts (api.md, "Checkpoints and proofs").
package struct ProofHandler: Sendable {
    /// `wait_ms` may be so much.
    static let longestWait = Duration.milliseconds(5_000)
    /// After this it is worth while to ask for a checkpoint again: one is put every second while events are sealed.
    private static let retryDelay = Duration.seconds(1)

    private let reader: EventReader
    private let tree: TreeReader
    private let checkpoints: CheckpointReader
    private let hasSigningKey: Bool

    /// - Parameter hasSigningKey: whether this replica can sign checkpoints, so that one may be expected.
    package init(
        reader: EventReader, tree: TreeReader, checkpoints: CheckpointReader, hasSigningKey: Bool
    ) {
        self.reader = reader
        self.tree = tree
        self.checkpoints = checkpoints
        self.hasSigningKey = hasSigningKey
    }

    // MARK: Proofs

    package func getInclusionProof(
        _ request: ServerRequest<Ledger_GetInclusionProofRequest>, _ context: ServerContext
    ) async throws -> Ledger_GetInclusionProofResponse {
        let number = SequenceNumber(rawValue: request.message.sequenceNumber)
        try Self.require(number)
        let asked = request.message.treeSize
        guard asked == 0 || number.rawValue <= asked else { throw Self.beyond(asked) }
        let size = try await reader.treeSize(asked, field: "tree_size")
        guard number.rawValue <= size else { throw Self.beyond(size) }
        let proof = try await inclusion(of: number, size: size)
        return .with {
            $0.sequenceNumber = number.rawValue
            $0.treeSize = size
            $0.leafHash = Data(proof.leaf.bytes)
            $0.path = proof.path.map { Data($0.bytes) }
            $0.rootHash = Data(proof.root.bytes)
        }
    }

    package func getConsistencyProof(
        _ request: ServerRequest<Ledger_GetConsistencyProofRequest>, _ context: ServerContext
    ) async throws -> Ledger_GetConsistencyProofResponse {
        let first = request.message.firstSize
        let asked = request.message.secondSize
        guard first > 0 else {
            throw LedgerRPCError.invalidArgument(
                field: "first_size", "must be 1 or greater: every tree begins with the empty one")
        }
        guard asked == 0 || first <= asked else { throw Self.above(asked) }
        let second = try await reader.treeSize(asked, field: "second_size")
        guard first <= second else { throw Self.above(second) }
        let proof: VerifiedConsistency
        do throws(TreeError) {
            proof = try await tree.consistency(from: first, to: second)
        } catch {
            throw LedgerRPCError(error)
        }
        return .with {
            $0.path = proof.path.map { Data($0.bytes) }
            $0.firstRoot = Data(proof.firstRoot.bytes)
            $0.secondRoot = Data(proof.secondRoot.bytes)
        }
    }

    private func inclusion(
        of number: SequenceNumber, size: UInt64
    ) async throws(LedgerRPCError) -> VerifiedInclusion {
        do throws(TreeError) {
            return try await tree.inclusion(index: number.leafIndex, size: size)
        } catch {
            throw LedgerRPCError(error)
        }
    }

    private static func require(_ number: SequenceNumber) throws(LedgerRPCError) {
        guard number > .zero else {
            throw .invalidArgument(
                field: "sequence_number", "must be 1 or greater: numbers begin with 1")
        }
    }

    private static func beyond(_ size: UInt64) -> LedgerRPCError {
        .invalidArgument(
            field: "sequence_number", "must not be above the tree's size, which is \(size)")
    }

    private static func above(_ size: UInt64) -> LedgerRPCError {
        .invalidArgument(
            field: "first_size", "must not be above the second size, which is \(size)")
    }

    // MARK: Checkpoints

    /// So long a replica without a key waits for the first checkpoint of one that has a key.
    private static let patience = Duration.seconds(2)

    package func getCheckpoint(
        _ request: ServerRequest<Ledger_GetCheckpointRequest>, _ context: ServerContext
    ) async throws -> Ledger_GetCheckpointResponse {
        guard let found = try await expectCheckpoint() else {
            let head = try await reader.coveredHead()
            guard head > .zero else {
                throw LedgerRPCError.notFound("nothing is sealed yet, so there is no checkpoint")
            }
            throw Self.notYetCovered(
                "no checkpoint has been signed yet; the head is number \(head)")
        }
        return .with { $0.note = String(decoding: found.bytes, as: UTF8.self) }
    }

    package func getReceipt(
        _ request: ServerRequest<Ledger_GetReceiptRequest>, _ context: ServerContext
    ) async throws -> Ledger_GetReceiptResponse {
        let number = SequenceNumber(rawValue: request.message.sequenceNumber)
        try Self.require(number)
        let wait = Duration.milliseconds(Int64(request.message.waitMs))
        guard wait <= Self.longestWait else {
            throw LedgerRPCError.invalidArgument(field: "wait_ms", "must be 5000 or less")
        }
        let end = ContinuousClock.now + wait
        if !hasSigningKey {
            // Another replica may have one, and put the first checkpoint within two seconds.
            _ = try await checkpoints.newest(
                covering: 1, until: min(end, ContinuousClock.now + Self.patience))
        }
        _ = try await expectCheckpoint()
        let entry = try await reader.event(number).entry.encoded()
        let found = try await checkpoints.newest(covering: number.rawValue, until: end)
        guard let found, found.checkpoint.size >= number.rawValue else {
            throw Self.notYetCovered(
                "the newest checkpoint covers \(found?.checkpoint.size ?? 0) events, not number \(number) yet"
            )
        }
        let receipt = try await receipt(for: number, entry, found)
        return .with {
            $0.receipt = String(decoding: receipt.encoded(), as: UTF8.self)
            $0.entry = Data(entry)
        }
    }

    /// A receipt that proves the entry, checked as its reader will.
    private func receipt(
        for number: SequenceNumber, _ entry: [UInt8], _ published: PublishedCheckpoint
    ) async throws(LedgerRPCError) -> Receipt {
        let checkpoint = published.checkpoint
        let proof = try await inclusion(of: number, size: checkpoint.size)
        guard
            MerkleTree.verifyInclusion(
                leaf: MerkleTree.leafHash(of: entry), index: number.leafIndex,
                size: checkpoint.size, path: proof.path, root: checkpoint.root)
        else {
            throw .corrupt(
                "the stored event \(number) is not the one that the tree has at its number")
        }
        return Receipt(
            index: number.leafIndex, path: proof.path, checkpoint: published.bytes)
    }

    /// The newest checkpoint; nil where the first one is still to come.
    private func expectCheckpoint() async throws(LedgerRPCError) -> PublishedCheckpoint? {
        let found = try await checkpoints.newest()
        if found == nil, !hasSigningKey {
            throw LedgerRPCError(
                .failedPrecondition, .noSigningKey,
                "there is no checkpoint, and this replica has no key to sign one: LEDGER_SIGNING_KEY is not set"
            )
        }
        return found
    }

    private static func notYetCovered(_ message: String) -> LedgerRPCError {
        LedgerRPCError(
            .unavailable, .notYetCovered, "\(message); try again", retryDelay: retryDelay)
    }
}
