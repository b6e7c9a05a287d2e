import Foundation
import LedgerAPI
import LedgerClient
import LedgerVerify
import SwiftProtobuf
import Testing

/// What a service says to prove an event is checked before a caller sees it.
@Suite("Proofs", .timeLimit(.minutes(1)))
struct ProofTests {
    private let note: String
    private let key: VerifierKey
    private let receipt: Ledger_GetReceiptResponse
    private let inclusion: Ledger_GetInclusionProofResponse
    private let consistency: Ledger_GetConsistencyProofResponse

    init() throws {
        let checkpoint = try #require(try Self.vectors("checkpoint.json") as? [String: Any])
        let trees = try #require(try Self.vectors("trees.json") as? [String: Any])
        let events = try #require(try Self.vectors("events.json") as? [[String: Any]])
        note = try #require(checkpoint["note"] as? String)
        key = try VerifierKey(try #require(checkpoint["verifier_key"] as? String))
        func bytes(_ value: Any?) throws -> Data {
            Data(Self.unhex(try #require(value as? String)))
        }
        receipt = try .with {
            $0.receipt = try #require(checkpoint["receipt_for_sequence_257"] as? String)
            $0.entry = try bytes(events[256]["entry_hex"])
        }
        let sizes = try #require(trees["trees"] as? [[String: Any]])
        func root(_ size: Int) throws -> Data {
            try bytes(sizes.first { $0["size"] as? Int == size }?["root"])
        }
        let paths = try #require(trees["inclusion"] as? [[String: Any]])
        let path = try #require(paths.first { $0["index"] as? Int == 299 })
        inclusion = try .with {
            $0.sequenceNumber = 300
            $0.treeSize = 300
            $0.leafHash = try bytes(events[299]["leaf_hash"])
            $0.path = try #require(path["path"] as? [String]).map { Data(Self.unhex($0)) }
            $0.rootHash = try root(300)
        }
        let proofs = try #require(trees["consistency"] as? [[String: Any]])
        let proof = try #require(proofs.first { $0["from"] as? Int == 257 })
        consistency = try .with {
            $0.path = try #require(proof["path"] as? [String]).map { Data(Self.unhex($0)) }
            $0.firstRoot = try root(257)
            $0.secondRoot = try root(300)
        }
    }

    private static func vectors(_ name: String) throws -> Any {
        let file = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors/\(name)")
        return try JSONSerialization.jsonObject(with: Data(contentsOf: file))
    }

    private static func unhex(_ text: String) -> [UInt8] {
        let digits = Array(text)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)
        }
    }

    private func otherKey() throws -> VerifierKey {
        try VerifierKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    }

    /// The kind of the error of a call; nil where it has none.
    private func kind(
        _ proofs: FakeProofs, keys: [VerifierKey] = [],
        _ call: @escaping (LedgerClient) async throws -> Void
    ) async throws -> LedgerError.Kind? {
        let ledger = FakeLedger(proofs: proofs)
        return try await ledger.withClient {
            $0.verifierKeys = keys
            $0.retryPolicy = .never
        } _: { client in
            do {
                try await call(client)
                return nil
            } catch let error as LedgerError {
                return error.kind
            }
        }
    }

    @Test("a checkpoint is read, and where there are keys one of them must have signed it")
    func checkpoint() async throws {
        let proofs = FakeProofs(note: note)
        try await FakeLedger(proofs: proofs).withClient {
            $0.verifierKeys = [key]
        } _: { client in
            let checkpoint = try await client.checkpoint()
            #expect(checkpoint.size == 300)
            #expect(checkpoint.note == Array(note.utf8))
        }
        let read: (LedgerClient) async throws -> Void = { _ = try await $0.checkpoint() }
        let others = [try otherKey()]
        #expect(try await kind(proofs, read) == nil)
        #expect(try await kind(proofs, keys: others, read) == .corrupt)
        #expect(try await kind(proofs, keys: others + [key], read) == nil)
        #expect(try await kind(FakeProofs(note: "no note"), read) == .corrupt)
        #expect(try await kind(FakeProofs(), read) == .noSigningKey)
    }

    @Test("a receipt that proves another event, or nothing, is refused")
    func receipts() async throws {
        let proofs = FakeProofs(receipt: receipt)
        let read: (LedgerClient) async throws -> Void = { _ = try await $0.receipt(of: 257) }
        #expect(try await kind(proofs, keys: [key], read) == nil)
        #expect(try await kind(proofs, read) == nil)
        #expect(try await kind(proofs, keys: [otherKey()], read) == .corrupt)
        #expect(
            try await kind(proofs) { _ = try await $0.receipt(of: 256) } == .corrupt)
        var changed = receipt
        changed.entry[30] ^= 1
        #expect(try await kind(FakeProofs(receipt: changed), read) == .corrupt)
        changed = receipt
        changed.receipt = ""
        #expect(try await kind(FakeProofs(receipt: changed), read) == .corrupt)
    }

    @Test("an event that no checkpoint covers yet is waited for as long as the caller says")
    func waiting() async throws {
        let refusing = FakeProofs(receipt: receipt, refusedReceipts: 3)
        let once: (LedgerClient) async throws -> Void = { _ = try await $0.receipt(of: 257) }
        #expect(try await kind(refusing, once) == .notYetCovered)
        // Three calls that each could have waited for the service's longest time.
        let ledger = FakeLedger(proofs: refusing)
        try await ledger.withClient {
            $0.retryPolicy = .never
        } _: { client in
            _ = try await client.receipt(of: 257, wait: .seconds(60))
        }
        #expect(ledger.receiptCalls == 4)
    }

    @Test("a path that does not lead to the root which comes with it is refused")
    func paths() async throws {
        let good = FakeProofs(inclusion: inclusion, consistency: consistency)
        let include: (LedgerClient) async throws -> Void = {
            _ = try await $0.inclusionProof(of: 300, treeSize: 300)
        }
        let compare: (LedgerClient) async throws -> Void = {
            _ = try await $0.consistencyProof(from: 257, to: 300)
        }
        #expect(try await kind(good, include) == nil)
        #expect(try await kind(good, compare) == nil)
        #expect(
            try await kind(good) { _ = try await $0.inclusionProof(of: 299, treeSize: 300) }
                == .corrupt)
        #expect(
            try await kind(good) { _ = try await $0.inclusionProof(of: 300, treeSize: 299) }
                == .corrupt)
        #expect(
            try await kind(good) { _ = try await $0.consistencyProof(from: 256, to: 300) }
                == .corrupt)
        let changes: [(inout FakeProofs) -> Void] = [
            {
                $0.inclusion.rootHash[0] ^= 1
                $0.consistency.secondRoot[0] ^= 1
            },
            {
                $0.inclusion.path[0][0] ^= 1
                $0.consistency.path[0][0] ^= 1
            },
            {
                $0.inclusion.path[0].removeLast()
                $0.consistency.path[0].removeLast()
            },
            {
                $0.inclusion.path = Array(repeating: $0.inclusion.path[0], count: 10_000)
                $0.consistency.path = Array(repeating: $0.consistency.path[0], count: 10_000)
            },
            {
                $0.inclusion = .init()
                $0.consistency = .init()
            },
        ]
        for change in changes {
            var bad = good
            change(&bad)
            #expect(try await kind(bad, include) == .corrupt)
            #expect(try await kind(bad, compare) == .corrupt)
        }
    }
}
