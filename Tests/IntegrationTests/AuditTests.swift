import EtcdGateway
import Foundation
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// What somebody with access to etcd changes is found by the continuous audit, VerifyEvents and `ledgerctl verify`
    /// alike, and named by number and kind.
    @Suite("The audit", .serialized)
    struct AuditTests {
        private static let settings = [
            "LEDGER_AUDIT_EVENTS_PER_SECOND": "1000000", "LEDGER_AUDIT_INTERVAL": "1",
            "LEDGER_FORWARDING": "off", "LEDGER_MAX_BATCH_EVENTS": "150",
            "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
        ]
        private static let origin = "localhost/immutable-ledger"

        private func signer(_ byte: UInt8, name: String = origin) throws -> NoteSigner {
            try NoteSigner(name: name, privateKey: Array(repeating: byte, count: 32))
        }

        private func expectFound(
            _ kind: String, at number: UInt64, by ledger: LedgerFixture, _ what: String
        ) async throws {
            try await eventually("the audit finds it: \(what)") {
                try await ledger.process.metric("ledger_audit_findings") > 0
            }
            #expect(try await ledger.process.metric("ledger_findings_total") >= 1)
            #expect(try await ledger.process.metric("ledger_verified_events") < Double(number))
            let health = try await ledger.calls.detailedHealth()
            #expect(health.status != .healthy, "\(what)")
            #expect(health.message.contains("\(kind) at number \(number)"), "\(what): \(health)")
            let audit = try #require(health.dependencies.first { $0.name == "audit" })
            #expect(audit.status == .degraded && audit.error == kind, "\(what): \(audit)")
            #expect(
                ledger.process.log.contains("\(kind) at number \(number)"),
                "\(what): \(ledger.process.lastLines)")

            let found = try await ledger.calls.verify().firstFinding
            #expect(found.kind == kind && found.sequenceNumber == number, "\(what): \(found)")
            let port = try await ledger.process.port()
            let command = try ChildProcess(
                LedgerProcess.program("ledgerctl"),
                arguments: ["verify", "--server", "127.0.0.1:\(port)"], environment: [:],
                in: ledger.cluster.folder,
                log: ledger.cluster.folder.appending(path: "verify-\(UUID()).log"))
            #expect(await command.waitForEnd() == 7, "\(what)")
            #expect(command.output.contains("event \(number)") && command.output.contains(kind))
        }

        // MARK: A ledger that was changed

        @Test("every way of changing a stored ledger is found after a restart")
        func restarted() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let base = Self.settings.merging(["LEDGER_AUDIT_EVENTS_PER_SECOND": "0"]) { $1 }
            try await withLedger(on: cluster, settings: base) { ledger in
                let events = Ledger_CertifiedEvent.samples("t", count: 4_300, payloadBytes: 24)
                #expect(try await ledger.calls.submitStream(events).count { $0.isSealed } == 4_300)
                try await withKeys(of: ledger) { stored in
                    let signer = try signer(7)
                    let root = try Head(
                        decodingJSON: try #require(try await stored.value(stored.keys.head))
                    ).tree.root
                    try await stored.put(
                        stored.keys.checkpoint, signer.note(size: 4_300, root: root).encoded())
                    for way in try await AuditedWay.all(of: stored) {
                        let prefix = "\(EtcdCluster.ledgers)\(UUID().uuidString.prefix(8))/"
                        try await way.change(try await stored.copy(to: prefix))
                        let changed = try await LedgerFixture.start(
                            on: cluster,
                            settings: Self.settings.merging([
                                "LEDGER_PREFIX": prefix,
                                "LEDGER_FORMER_KEYS": signer.verifier.verifierKey,
                            ]) { $1 }, waitsUntilReady: false)
                        try await changed.use { changed in
                            if let kind = way.kind {
                                try await expectFound(
                                    kind, at: way.number, by: changed, way.what)
                            } else {
                                try await expectNothing(4_300, by: changed)
                            }
                        }
                    }
                }
            }
        }

        private func expectNothing(_ count: Double, by ledger: LedgerFixture) async throws {
            try await eventually("everything is verified", within: .seconds(120)) {
                try await ledger.process.metric("ledger_verified_events") == count
            }
            let pass = try await ledger.process.metric("ledger_audit_pass")
            try await eventually("another pass ends", within: .seconds(120)) {
                try await ledger.process.metric("ledger_audit_pass") >= pass + 2
            }
            #expect(try await ledger.process.metric("ledger_audit_findings") == 0)
            #expect(try await ledger.process.metric("ledger_findings_total") == 0)
            #expect(try await ledger.process.metric("ledger_audit_pass_seconds") > 0)
            let whole = try await ledger.calls.verify()
            #expect(whole.valid && whole.eventsVerified == UInt64(count), "\(whole)")
            let health = try await ledger.calls.detailedHealth()
            #expect(health.status == .healthy, "\(health)")
        }

        @Test("a hundred thousand honest events raise no finding")
        func honest() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = Self.settings.merging(["LEDGER_MAX_BATCH_EVENTS": "1024"]) { $1 }
            try await withLedger(on: cluster, settings: settings) { ledger in
                let events = Ledger_CertifiedEvent.samples("h", count: 100_000, payloadBytes: 8)
                let answers = try await ledger.calls.submitStream(events)
                #expect(answers.count { $0.isSealed } == 100_000)
                try await expectNothing(100_000, by: ledger)
            }
        }

        // MARK: A service that runs

        @Test("a change under a running service is found, sealing goes on, and the finding stays")
        func whileSealing() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: Self.settings) { ledger in
                try await withKeys(of: ledger) { stored in
                    let events = Ledger_CertifiedEvent.samples("w", count: 500)
                    _ = try await ledger.calls.submitStream(events)
                    try await eventually("everything is verified") {
                        try await ledger.process.metric("ledger_verified_events") == 500
                    }
                    let key = stored.keys.tile(TileID(level: 0, index: 0))
                    try await stored.change(key) { $0[32 * 99] ^= 1 }
                    try await expectFound("tile_mismatch", at: 100, by: ledger, "while sealing")
                    #expect(try await ledger.calls.detailedHealth().status == .degraded)
                    #expect(await ledger.calls.submit(.sample("after")).isSealed)
                    #expect(try await ledger.calls.healthCheck().healthy)
                    // Put right, it is found no more, and told still.
                    try await stored.change(key) { $0[32 * 99] ^= 1 }
                    #expect(try await ledger.calls.verify().valid)
                    let pass = try await ledger.process.metric("ledger_audit_pass")
                    try await eventually("two more passes begin") {
                        try await ledger.process.metric("ledger_audit_pass") >= pass + 2
                    }
                    #expect(try await ledger.process.metric("ledger_audit_findings") == 1)
                    #expect(try await ledger.calls.detailedHealth().status == .degraded)
                    let told = ledger.process.log.split(separator: "\n")
                        .count { $0.contains("the audit found") }
                    #expect(told == 1)
                }
            }
        }

        @Test("events changed far apart are each named once, and so is one sealed later")
        func farApart() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: Self.settings) { ledger in
                try await withKeys(of: ledger) { stored in
                    let events = Ledger_CertifiedEvent.samples("f", count: 6_000, payloadBytes: 24)
                    let answers = try await ledger.calls.submitStream(events)
                    #expect(answers.count { $0.isSealed } == 6_000)
                    try await eventually("everything is verified", within: .seconds(120)) {
                        try await ledger.process.metric("ledger_verified_events") == 6_000
                    }
                    try await stored.alterEvent(10)
                    try await stored.alterEvent(5_000)
                    try await expectFindings([10, 5_000], by: ledger)
                    // Behind the findings the audit goes on.
                    let more = Ledger_CertifiedEvent.samples("g", count: 600, payloadBytes: 24)
                    _ = try await ledger.calls.submitStream(more)
                    try await stored.alterEvent(6_500)
                    try await expectFindings([10, 5_000, 6_500], by: ledger)
                    #expect(try await ledger.process.metric("ledger_verified_events") == 9)
                }
            }
        }

        /// So many events are named, and no pass names one again.
        private func expectFindings(_ numbers: [UInt64], by ledger: LedgerFixture) async throws {
            let count = Double(numbers.count)
            try await eventually("the audit finds \(numbers)", within: .seconds(120)) {
                try await ledger.process.metric("ledger_audit_findings") >= count
            }
            let pass = try await ledger.process.metric("ledger_audit_pass")
            try await eventually("two more passes begin", within: .seconds(120)) {
                try await ledger.process.metric("ledger_audit_pass") >= pass + 2
            }
            #expect(try await ledger.process.metric("ledger_audit_findings") == count)
            #expect(try await ledger.process.metric("ledger_findings_total") == count)
            let told = ledger.process.log.split(separator: "\n")
                .filter { $0.contains("the audit found") }
            #expect(told.count == numbers.count, "\(told)")
            for number in numbers {
                #expect(
                    told.count { $0.contains("link_broken at number \(number):") } == 1, "\(told)")
            }
        }

        @Test("a head with too few subtree roots, and an older state put back, are found at once")
        func rolledBack() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            for way in ["short frontier", "older state"] {
                try await withLedger(on: cluster, settings: Self.settings) { ledger in
                    try await withKeys(of: ledger) { stored in
                        let first = Ledger_CertifiedEvent.samples("kept", count: 3)
                        _ = try await ledger.calls.submitStream(first)
                        let kept = try await stored.everything().filter {
                            $0.key != stored.keys.sealer
                        }
                        let more = Ledger_CertifiedEvent.samples("lost", count: 4)
                        _ = try await ledger.calls.submitStream(more)
                        try await eventually("everything is verified") {
                            try await ledger.process.metric("ledger_verified_events") == 7
                        }
                        if way == "older state" {
                            let later = try await stored.blocks().filter { $0.number > 3 }
                            _ = try await stored.client.transaction(
                                .init(
                                    success: later.map {
                                        .delete(key: stored.keys.block(SequenceNumber($0.number)))
                                    } + kept.map { .put(key: $0.key, value: $0.value) }))
                            try await expectFound("head_mismatch", at: 4, by: ledger, way)
                        } else {
                            try await stored.change(stored.keys.head) { head in
                                // Seven events have three subtree roots of 64 digits each.
                                let tree = head.firstRange(of: Array("[\"".utf8))
                                guard let begin = tree?.upperBound else { return }
                                head.removeSubrange(begin..<begin + 67)
                            }
                            try await expectFound("head_mismatch", at: 7, by: ledger, way)
                        }
                    }
                }
            }
        }
    }
}

extension StoredLedger {
    /// Changes a byte of an event's payload in its block.
    fileprivate func alterEvent(_ number: UInt64) async throws {
        guard let stored = try await blocks().last(where: { $0.number <= number }) else {
            throw TestFailure("no block holds \(number)")
        }
        let first = SequenceNumber(stored.number)
        let block = try Block(decoding: stored.bytes, firstNumber: first)
        var bytes: [UInt8] = []
        for (offset, entry) in block.entries.enumerated() {
            var entry = Array(entry)
            if stored.number + UInt64(offset) == number,
                let payload = entry.firstRange(of: Array("payload of".utf8))
            {
                entry[payload.lowerBound] ^= 1
            }
            Block.append(entry, to: &bytes)
        }
        try await put(keys.block(first), bytes)
    }
}
