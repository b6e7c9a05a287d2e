import EtcdGateway
import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// A ledger whose past others know to be another one: nothing is sealed on it until an operator decides.
    @Suite("The rollback fence", .serialized)
    struct FenceTests {
        private func expectFenced(_ ledger: LedgerFixture) async throws {
            try await eventually("the service is fenced") {
                try await ledger.calls.healthCheck().status == "FENCED"
            }
            let refused = await ledger.calls.submit(.sample("refused"))
            guard case .notSealed(.failedPrecondition, "LEDGER_ROLLED_BACK") = refused else {
                throw TestFailure("a fenced service answered: \(refused)")
            }
            #expect(try await ledger.calls.event(1).sequenceNumber == 1)
        }

        private func fence(_ stored: StoredLedger) async throws -> FenceRecord? {
            try await stored.value(stored.keys.fence).map {
                try FenceRecord(decodingJSON: $0)
            }
        }

        private func waitForRecord(_ stored: StoredLedger) async throws -> FenceRecord {
            try await eventually("the fence is recorded") {
                try await fence(stored).map { $0.acceptedRecord == nil } ?? false
            }
            return try #require(try await fence(stored))
        }

        /// Puts the ledger back to what it was when `kept` was read, as restoring a copy does.
        private func putBack(_ kept: [EtcdKeyValue], _ stored: StoredLedger) async throws {
            let known = Set(kept.map(\.key))
            for pair in try await stored.everything() where !known.contains(pair.key) {
                try await stored.delete(pair.key)
            }
            if kept.isEmpty { return }
            _ = try await stored.client.transaction(
                .init(success: kept.map { .put(key: $0.key, value: $0.value) }))
        }

        @Test(
            "a checkpoint of this ledger's key that has more than the store fences, and a restart changes nothing"
        )
        func signedMore() async throws {
            let key = try SigningKeyFile(seed: 11)
            let settings = ["LEDGER_SIGNING_KEY": key.path]
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 3)
                    let ahead = try key.signer.note(size: 9, root: .sha256([1])).encoded()
                    try await stored.put(stored.keys.checkpoint, ahead)
                    try await ledger.seal("more", 1)
                    try await expectFenced(ledger)
                    let record = try await waitForRecord(stored)
                    #expect(record.records.map(\.size) == [9])
                    await ledger.process.kill()
                    try await stored.delete(stored.keys.checkpoint)
                    try await ledger.another().use { again in
                        try await expectFenced(again)
                        #expect(try await again.calls.healthCheck().lastSequenceNumber == 4)
                    }
                }
            }
        }

        @Test("a checkpoint of this ledger's key with another past fences")
        func signedOther() async throws {
            let key = try SigningKeyFile(seed: 13)
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(
                on: cluster, settings: ["LEDGER_SIGNING_KEY": key.path]
            ) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 5)
                    let other = try key.signer.note(size: 2, root: .sha256([1])).encoded()
                    try await stored.put(stored.keys.checkpoint, other)
                    try await ledger.seal("more", 1)
                    try await expectFenced(ledger)
                    #expect(try await waitForRecord(stored).records.map(\.size) == [2])
                    #expect(try await stored.value(stored.keys.checkpoint) == other)
                }
            }
        }

        @Test(
            "a store that was set back below its signed checkpoint is fenced before anything is sealed",
            arguments: [false, true])
        func setBackWhileStopped(isEmptied: Bool) async throws {
            let key = try SigningKeyFile(seed: 15)
            let settings = ["LEDGER_SIGNING_KEY": key.path]
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await withKeys(of: ledger) { stored in
                    if !isEmptied { try await ledger.seal("kept", 2) }
                    let kept = try await stored.everything().filter {
                        $0.key != stored.keys.sealer && $0.key != stored.keys.checkpoint
                    }
                    try await ledger.seal("lost", 2)
                    let size = isEmptied ? 2.0 : 4.0
                    try await eventually("a checkpoint covers the lost events") {
                        try await ledger.process.metric("ledger_checkpoint_size") == size
                    }
                    await ledger.process.kill()
                    let checkpoint = try #require(
                        try await stored.value(stored.keys.checkpoint))
                    try await putBack(kept, stored)
                    try await stored.put(stored.keys.checkpoint, checkpoint)
                    try await ledger.another().use { again in
                        let refused = await again.calls.submit(.sample("again"))
                        guard case .notSealed(.failedPrecondition, "LEDGER_ROLLED_BACK") = refused
                        else { throw TestFailure("it answered: \(refused)") }
                        #expect(
                            try await waitForRecord(stored).records.map(\.size) == [UInt64(size)])
                    }
                }
            }
        }

        @Test(
            "what comes to be known outside while a replica runs fences it, and all others with it")
        func comparedAgain() async throws {
            let key = try SigningKeyFile(seed: 14)
            let file = FileManager.default.temporaryDirectory.appending(
                path: "outside-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: file) }
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await ledger.seal("event", 3)
                let comparing = try await ledger.another([
                    "LEDGER_FORMER_KEYS": key.signer.verifier.verifierKey,
                    "LEDGER_EXTERNAL_CHECKPOINT": file.path,
                    "LEDGER_OUTSIDE_CHECK_INTERVAL": "1",
                ])
                try await comparing.use { comparing in
                    try await withKeys(of: ledger) { stored in
                        try await comparing.seal("more", 1)
                        #expect(try await fence(stored) == nil)
                        try Data(try key.signer.note(size: 2, root: .zero).encoded()).write(
                            to: file)
                        try await expectFenced(comparing)
                        #expect(try await waitForRecord(stored).records.map(\.size) == [2])
                        // It knows nothing of the file.
                        try await expectFenced(ledger)
                    }
                }
            }
        }

        /// Runs ledgerctl with access to the cluster of a ledger.
        private func unfence(
            _ ledger: LedgerFixture, _ arguments: [String] = []
        ) async throws -> (status: Int32, text: String) {
            let configuration = ledger.cluster.configuration
            var environment = ["LEDGER_PREFIX": ledger.prefix]
            environment["ETCD_ENDPOINTS"] = configuration.endpoints.map(\.description)
                .joined(separator: ",")
            environment["ETCD_CA_CERT"] = configuration.caCertificatePath
            environment["ETCD_CLIENT_CERT"] = configuration.clientCertificatePath
            environment["ETCD_CLIENT_KEY"] = configuration.clientKeyPath
            environment["ETCD_USERNAME"] = configuration.username
            environment["ETCD_PASSWORD"] = configuration.password
            let folder = FileManager.default.temporaryDirectory
            let log = folder.appending(path: "unfence-\(UUID().uuidString).log")
            defer { try? FileManager.default.removeItem(at: log) }
            let process = try ChildProcess(
                LedgerProcess.program("ledgerctl"), arguments: ["unfence"] + arguments,
                environment: environment, in: folder, log: log)
            let status = await process.waitForEnd()
            return (status, try String(contentsOf: log, encoding: .utf8))
        }

        @Test("ledgerctl unfence asks for the right number, and decides once")
        func command() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 3)
                    #expect(try await unfence(ledger, ["--accept", "3"]).status == 1)
                    let fence = FenceRecord(
                        .fenced(reason: "a test"),
                        records: [OutsideRecord(source: "witness w", size: 8)])
                    try await stored.put(stored.keys.fence, fence.encodedJSON())
                    let asked = try await unfence(ledger)
                    #expect(asked.status == 64 && asked.text.contains("a test"), "\(asked)")
                    #expect(asked.text.contains("5 more, which are lost"), "\(asked)")
                    #expect(try await unfence(ledger, ["--accept", "2"]).status == 1)
                    #expect(try await self.fence(stored) == fence)
                    try await ledger.another().use { other in
                        let former = try await other.process.port()
                        try await expectFenced(other)
                        let accepted = try await unfence(ledger, ["--accept", "3"])
                        #expect(accepted.status == 0, "\(accepted)")
                        let port = try await other.process.newestPort(otherThan: former)
                        let calls = try LedgerCalls(port: port)
                        try await eventually("it seals again") {
                            await calls.submit(.sample("again")).isSealed
                        }
                        await calls.close()
                    }
                    #expect(try await unfence(ledger, ["--accept", "3"]).status == 1)
                }
            }
        }

        @Test("the fence that one replica records stops those that start later")
        func others() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 2)
                    let fence = FenceRecord(.fenced(reason: "found by another"), records: [])
                    try await stored.put(stored.keys.fence, fence.encodedJSON())
                    try await ledger.another().use { other in
                        try await expectFenced(other)
                    }
                }
            }
        }

        @Test(
            "an operator's decision lets the same process seal on, and what it accepted is no contradiction any more"
        )
        func decided() async throws {
            let key = try SigningKeyFile(seed: 12)
            let settings = ["LEDGER_SIGNING_KEY": key.path]
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await withKeys(of: ledger) { stored in
                    let former = try await ledger.process.port()
                    try await ledger.seal("kept", 2)
                    let kept = try await stored.everything().filter { $0.key != stored.keys.sealer }
                    try await ledger.seal("lost", 2)
                    try await eventually("a checkpoint covers the lost events") {
                        try await ledger.process.metric("ledger_checkpoint_size") == 4
                    }
                    let checkpoint = try #require(
                        try await stored.value(stored.keys.checkpoint))
                    try await putBack(kept, stored)
                    // Somebody kept the newest checkpoint and puts it back: the store is ahead of itself.
                    try await stored.put(stored.keys.checkpoint, checkpoint)
                    _ = await ledger.calls.submit(.sample("provocation"))
                    try await expectFenced(ledger)
                    #expect(try await waitForRecord(stored).records.map(\.size) == [4])
                    let accepted = try await unfence(ledger, ["--accept", "2"])
                    #expect(accepted.status == 0, "\(accepted)")
                    try await eventually("the ledger is read anew") {
                        ledger.process.lastLines.contains("the ledger is read anew")
                    }
                    let port = try await ledger.process.newestPort(otherThan: former)
                    let calls = try LedgerCalls(port: port)
                    defer { Task { await calls.close() } }
                    try await eventually("it seals again") {
                        await calls.submit(.sample("again")).isSealed
                    }
                    #expect(try await calls.event(id: "again").sequenceNumber == 3)
                    // Its checkpoints go on from what was accepted.
                    try await eventually("a checkpoint of the new past") {
                        guard let note = try await stored.value(stored.keys.checkpoint) else {
                            return false
                        }
                        return try key.signer.verifier.checkpoint(of: SignedNote(parsing: note))
                            .size == 3
                    }
                }
            }
        }
    }
}
