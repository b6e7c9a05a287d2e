import EtcdGateway
import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// Signed checkpoints, as replicas put them into a real etcd.
    @Suite("Checkpoints", .serialized)
    struct CheckpointTests {
        private func read(
            _ stored: StoredLedger, _ verifier: NoteVerifier
        ) async throws -> Checkpoint? {
            guard let bytes = try await stored.value(stored.keys.checkpoint) else { return nil }
            return try verifier.checkpoint(of: SignedNote(parsing: bytes))
        }

        /// Waits for a checkpoint that covers a number, and compares its root with the head's where it is of that size.
        private func waitForCheckpoint(
            covering number: UInt64, _ stored: StoredLedger, _ verifier: NoteVerifier
        ) async throws -> Checkpoint {
            var found: Checkpoint?
            try await eventually("a checkpoint covers \(number)") {
                found = try await read(stored, verifier)
                return found?.size ?? 0 >= number
            }
            let checkpoint = try #require(found)
            let head = try Head(
                decodingJSON: try #require(try await stored.value(stored.keys.head)))
            if checkpoint.size == head.sequence.rawValue {
                #expect(checkpoint.root == head.tree.root)
            }
            return checkpoint
        }

        @Test("every event is covered soon, and what is sealed then as well")
        func covered() async throws {
            let key = try SigningKeyFile(seed: 1)
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(
                on: cluster, settings: ["LEDGER_SIGNING_KEY": key.path]
            ) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("first", 1)
                    _ = try await waitForCheckpoint(covering: 1, stored, key.signer.verifier)
                    try await ledger.seal("more", 30)
                    let last = try await waitForCheckpoint(
                        covering: 31, stored, key.signer.verifier)
                    #expect(last.size == 31 && last.origin == "localhost/immutable-ledger")
                }
            }
        }

        @Test("a replica without a key leaves it to one that has it, whoever seals")
        func otherReplica() async throws {
            let key = try SigningKeyFile(seed: 2)
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await ledger.seal("before", 2)
                let signing = try await ledger.another(["LEDGER_SIGNING_KEY": key.path])
                try await signing.use { signing in
                    try await withKeys(of: ledger) { stored in
                        _ = try await waitForCheckpoint(covering: 2, stored, key.signer.verifier)
                        try await ledger.seal("after", 3)
                        _ = try await waitForCheckpoint(covering: 5, stored, key.signer.verifier)
                    }
                }
            }
        }

        @Test("a new key signs on from where the old one stopped, and two sign beside one another")
        func keysChange() async throws {
            let old = try SigningKeyFile(seed: 3)
            let new = try SigningKeyFile(seed: 4)
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(
                on: cluster, settings: ["LEDGER_SIGNING_KEY": old.path]
            ) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("old", 2)
                    _ = try await waitForCheckpoint(covering: 2, stored, old.signer.verifier)
                    await ledger.process.kill()
                    let both = try await ledger.another([
                        "LEDGER_SIGNING_KEY": "\(old.path),\(new.path)"
                    ])
                    try await both.use { both in
                        try await both.seal("both", 2)
                        for signer in [old.signer, new.signer] {
                            _ = try await waitForCheckpoint(covering: 4, stored, signer.verifier)
                        }
                    }
                    let alone = try await ledger.another([
                        "LEDGER_SIGNING_KEY": new.path,
                        "LEDGER_FORMER_KEYS": old.signer.verifier.verifierKey,
                    ])
                    try await alone.use { alone in
                        try await alone.seal("new", 2)
                        let last = try await waitForCheckpoint(
                            covering: 6, stored, new.signer.verifier)
                        #expect(last.size == 6)
                        await #expect(throws: ProofError.self) {
                            _ = try await read(stored, old.signer.verifier)
                        }
                    }
                }
            }
        }

        @Test("a checkpoint whose signature somebody exchanged is not handed out, and signed again")
        func exchangedSignature() async throws {
            let key = try SigningKeyFile(seed: 7)
            let other = try SigningKeyFile(seed: 8)
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(
                on: cluster, settings: ["LEDGER_SIGNING_KEY": key.path]
            ) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 2)
                    let own = try await waitForCheckpoint(covering: 2, stored, key.signer.verifier)
                    let forged = try other.signer.note(size: own.size, root: own.root).encoded()
                    try await stored.put(stored.keys.checkpoint, forged)
                    await ledger.process.kill()
                    let reading = try await ledger.another([
                        "LEDGER_SIGNING_KEY": "",
                        "LEDGER_FORMER_KEYS": key.signer.verifier.verifierKey,
                    ])
                    try await reading.use { reading in
                        do {
                            _ = try await reading.calls.checkpoint()
                            Issue.record("a checkpoint that a stranger signed is handed out")
                        } catch let failure as CallFailure {
                            #expect(failure.reason == "CORRUPT", "\(failure)")
                        }
                    }
                    try await ledger.another().use { signing in
                        try await eventually("it is signed again") {
                            (try? await self.read(stored, key.signer.verifier))?.size == 2
                        }
                        #expect(try await !signing.calls.checkpoint().isEmpty)
                    }
                }
            }
        }

        @Test(
            "a checkpoint that somebody else wrote stays, is told of, and keeps others from being put"
        )
        func foreign() async throws {
            let key = try SigningKeyFile(seed: 5)
            let other = try SigningKeyFile(seed: 6)
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(
                on: cluster, settings: ["LEDGER_SIGNING_KEY": key.path]
            ) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 2)
                    _ = try await waitForCheckpoint(covering: 2, stored, key.signer.verifier)
                    let forged = try other.signer.note(size: 2, root: .sha256([9])).encoded()
                    try await stored.put(stored.keys.checkpoint, forged)
                    try await ledger.seal("more", 2)
                    try await eventually("it is told of") {
                        try await ledger.process.metric("ledger_checkpoints_blocked") == 1
                    }
                    #expect(try await stored.value(stored.keys.checkpoint) == forged)
                    // Sealing does not depend on it.
                    try await ledger.seal("on", 1)
                    try await stored.delete(stored.keys.checkpoint)
                    _ = try await waitForCheckpoint(covering: 5, stored, key.signer.verifier)
                    try await eventually("it is over") {
                        try await ledger.process.metric("ledger_checkpoints_blocked") == 0
                    }
                }
            }
        }
    }
}
