import EtcdGateway
import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// A store that shows another past than the service knows: it must stop sealing.
    @Suite("A store that was rolled back", .serialized)
    struct RollbackTests {
        private func expectFenced(_ ledger: LedgerFixture) async throws {
            try await eventually("the service is fenced") {
                _ = await ledger.calls.submit(.sample("provocation"))
                return try await ledger.calls.healthCheck().status == "FENCED"
            }
            let refused = await ledger.calls.submit(.sample("refused"))
            guard case .notSealed(.failedPrecondition, "LEDGER_ROLLED_BACK") = refused else {
                throw TestFailure("a fenced service answered: \(refused)")
            }
            #expect(try await ledger.calls.healthCheck().healthy == false)
            #expect(try await ledger.calls.servingStatus("ledger.ImmutableLedger") == .notServing)
            // What it knows it still reads.
            #expect(try await ledger.calls.event(1).sequenceNumber == 1)
        }

        @Test("counter and head put back together fence a running service")
        func headAndCounterPutBack() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("old", 3)
                    let counter = try #require(try await stored.value(stored.keys.counter))
                    let head = try #require(try await stored.value(stored.keys.head))
                    try await ledger.seal("new", 2)
                    _ = try await stored.client.transaction(
                        .init(success: [
                            .put(key: stored.keys.counter, value: counter),
                            .put(key: stored.keys.head, value: head),
                        ]))
                    try await expectFenced(ledger)
                    // Blocks beyond the head are there still; what is known comes first.
                    let found = try await ledger.calls.verify()
                    #expect(!found.valid && found.eventsVerified == 3)
                    #expect(found.firstFinding.kind == "head_mismatch")
                    #expect(found.firstFinding.sequenceNumber == 4)
                }
            }
        }

        @Test("an older head under the same counter fences a running service")
        func headPutBack() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("old", 3)
                    let head = try #require(try await stored.value(stored.keys.head))
                    try await ledger.seal("new", 2)
                    try await stored.put(stored.keys.head, head)
                    try await expectFenced(ledger)
                }
            }
        }

        @Test("VerifyEvents of a rolled back store that is one whole ledger by itself is not valid")
        func rolledBackWhole() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("kept", 3)
                    let kept = try await stored.everything().filter { $0.key != stored.keys.sealer }
                    try await ledger.seal("lost", 2)
                    for number in [SequenceNumber(4), 5] {
                        try await stored.delete(stored.keys.block(number))
                    }
                    _ = try await stored.client.transaction(
                        .init(success: kept.map { .put(key: $0.key, value: $0.value) }))
                    try await expectFenced(ledger)
                    for (first, last): (UInt64, UInt64) in [(0, 0), (1, 5), (4, 5)] {
                        let found = try await ledger.calls.verify(first: first, last: last)
                        #expect(!found.valid, "\(first)...\(last): \(found)")
                        #expect(found.firstFinding.kind == "head_mismatch", "\(found)")
                        #expect(found.firstFinding.sequenceNumber == 4, "\(found)")
                    }
                    #expect(try await ledger.calls.verify(first: 1, last: 2).valid)
                }
            }
        }

        @Test(
            "a head that does not decode, or has too few subtree roots, is a finding",
            arguments: [false, true])
        func headThatIsNone(decodes: Bool) async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 3)
                    let bytes = try #require(try await stored.value(stored.keys.head))
                    let text = String(decoding: bytes, as: UTF8.self)
                    let tree = try #require(text.range(of: "[\""))
                    // Three events have two subtree roots of 64 digits each.
                    let short = text.replacingCharacters(
                        in: tree.lowerBound..<text.index(tree.lowerBound, offsetBy: 68), with: "[")
                    try await stored.put(
                        stored.keys.head, decodes ? Array(short.utf8) : Array("no head".utf8))
                    let found = try await ledger.calls.verify()
                    #expect(!found.valid)
                    #expect(found.firstFinding.kind == "head_mismatch", "\(found)")
                    #expect(found.firstFinding.sequenceNumber == 3, "\(found)")
                    #expect(found.eventsVerified == 2, "\(found)")
                }
            }
        }

        @Test("another head with the same number fences a running service")
        func otherHead() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 3)
                    let head = try Head(
                        decodingJSON: try #require(try await stored.value(stored.keys.head)))
                    let other = Head(
                        sequence: head.sequence, eventHash: .sha256([1]),
                        sealedTimestamp: head.sealedTimestamp, tree: head.tree)
                    try await stored.put(stored.keys.head, other.encodedJSON())
                    try await expectFenced(ledger)
                    let found = try await ledger.calls.verify().firstFinding
                    #expect(found.kind == "head_mismatch" && found.sequenceNumber == 3)
                }
            }
        }

        @Test(
            "a key that the next seal would create exists already: fenced, and nothing overwritten")
        func occupiedBlock() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 2)
                    try await stored.put(stored.keys.block(3), [1, 2, 3])
                    let lost = await ledger.calls.submit(.sample("lost"))
                    #expect(!lost.isProofOfSealing, "\(lost)")
                    try await expectFenced(ledger)
                    #expect(try await stored.value(stored.keys.block(3)) == [1, 2, 3])
                    #expect(try await stored.value(stored.keys.counter) == Array("2".utf8))
                }
            }
        }

        @Test("a restored store that others sealed up to the same revision again is not extended")
        func restoredToTheSameRevision() async throws {
            try await withCluster(size: 1) { cluster in
                // Where they forward, the one that knows more tells the other at once.
                let first = try await LedgerFixture.start(
                    on: cluster, settings: ["LEDGER_FORWARDING": "off"])
                try await first.use { first in
                    try await first.seal("kept", 3)
                    try await swapData(of: cluster, from: "m1", to: "copy", keeps: true)
                    try await eventually("the service seals again") {
                        try await first.calls.healthCheck().healthy
                    }
                    try await first.seal("lost", 1)
                    first.process.pause()
                    try await swapData(of: cluster, from: "copy", to: "m1", keeps: false)
                    try await first.another().use { second in
                        try await second.seal("again", 1)
                        first.process.resume()
                        let answer = await first.calls.submit(.sample("onTheLostChain"))
                        #expect(!answer.isProofOfSealing, "\(answer)")
                        try await expectFenced(first)
                        // Number 4 is another event now; whether the audit had come there before or not.
                        try await eventually("the audit finds it") {
                            try await first.process.metric("ledger_audit_findings") > 0
                        }
                        let health = try await first.calls.detailedHealth()
                        #expect(health.message.contains("at number 4"), "\(health)")
                        #expect(try await second.process.metric("ledger_audit_findings") == 0)
                        try await second.seal("more", 2)
                        let ids = try await second.calls.events().map(\.eventID)
                        #expect(
                            ids == ["kept-1", "kept-2", "kept-3", "again-1", "more-1", "more-2"])
                        #expect(try await LedgerCheck.contradictions(second.calls) == [])
                    }
                }
            }
        }

        /// Copies the only member's data while it is stopped, or puts the copy back.
        private func swapData(
            of cluster: EtcdCluster, from source: String, to target: String, keeps: Bool
        ) async throws {
            await cluster.kill(0)
            let files = FileManager.default
            let (from, to) = (
                cluster.folder.appending(path: source), cluster.folder.appending(path: target)
            )
            if files.fileExists(atPath: to.path) { try files.removeItem(at: to) }
            if keeps {
                try files.copyItem(at: from, to: to)
            } else {
                try files.moveItem(at: from, to: to)
            }
            try await cluster.restart(0)
        }
    }
}
