import EtcdGateway
import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// Witnesses of a ledger on a real etcd: `ledgerctl witness`, and one in another language.
    @Suite("Witnesses", .serialized)
    struct WitnessTests {
        /// Waits for a stored checkpoint of that size which all of these have cosigned.
        private func waitForCosignatures(
            _ size: UInt64, _ verifiers: [CosignatureVerifier], _ stored: StoredLedger
        ) async throws {
            try await eventually("\(verifiers.map(\.name)) have cosigned size \(size)") {
                guard let bytes = try await stored.value(stored.keys.checkpoint) else {
                    return false
                }
                let note = try SignedNote(parsing: bytes)
                guard try Checkpoint(parsing: note.text).size == size else { return false }
                return verifiers.allSatisfy { (try? $0.cosignature(of: note)) != nil }
            }
        }

        @Test(
            "each checkpoint is cosigned by all witnesses; what fails holds up neither events nor the others"
        )
        func cosigned() async throws {
            let key = try SigningKeyFile(seed: 21)
            let ours = try await WitnessProcess(log: key.signer.verifier)
            let theirs = try PythonWitness(
                name: "witness.example/py", seed: 22, logs: [key.signer.verifier.verifierKey])
            let (first, second) = (
                ours.verifier, try CosignatureVerifier(parsing: theirs.verifierKey)
            )
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(
                on: cluster,
                settings: [
                    "LEDGER_SIGNING_KEY": key.path,
                    "LEDGER_WITNESSES": "\(ours.setting),\(theirs.setting)",
                ]
            ) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("first", 1)
                    try await waitForCosignatures(1, [first, second], stored)
                    try await ledger.seal("more", 30)
                    try await waitForCosignatures(31, [first, second], stored)
                    let cosigned = try await ledger.process.metrics().filter { name, _ in
                        name.hasPrefix("ledger_witness_requests_total{")
                            && name.contains(#"witness="witness.example/py""#)
                            && name.contains(#"result="cosigned""#)
                    }
                    #expect(cosigned.values.reduce(0, +) >= 2)

                    try await theirs.set(mode: "slow")
                    try await ledger.seal("slow", 3)
                    try await waitForCosignatures(34, [first], stored)
                    try await theirs.set(mode: "wrong-signature")
                    try await eventually("health names the witness that fails") {
                        try await ledger.seal("wrong-\(UUID().uuidString)", 1)
                        let page = try await LoopbackHTTP.get(
                            port: try await ledger.process.adminPort(), path: "/health")
                        return page?.body.contains("bad_cosignature") == true
                    }
                    #expect(try await ledger.calls.healthCheck().status == "SERVING")

                    // Killed at any time, our witness remembers what it has cosigned.
                    try await ours.restart()
                    try await theirs.set(mode: "normal")
                    try await eventually("both cosign again") {
                        try await ledger.seal("again-\(UUID().uuidString)", 1)
                        guard let bytes = try await stored.value(stored.keys.checkpoint) else {
                            return false
                        }
                        let note = try SignedNote(parsing: bytes)
                        return [first, second].allSatisfy {
                            (try? $0.cosignature(of: note)) != nil
                        }
                    }
                }
            }
        }

        @Test(
            "a ledger that has lost what a witness has cosigned is fenced before it seals anything")
        func lost() async throws {
            let key = try SigningKeyFile(seed: 23)
            let witness = try await WitnessProcess(log: key.signer.verifier)
            let settings = [
                "LEDGER_SIGNING_KEY": key.path, "LEDGER_WITNESSES": witness.setting,
            ]
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 5)
                    try await waitForCosignatures(5, [witness.verifier], stored)
                }
            }
            // Another prefix: the same ledger by its name and its key, with nothing in it.
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await eventually("the service is fenced") {
                    try await ledger.calls.healthCheck().status == "FENCED"
                }
                let refused = await ledger.calls.submit(.sample("refused"))
                guard case .notSealed(.failedPrecondition, "LEDGER_ROLLED_BACK") = refused else {
                    throw TestFailure("a fenced service answered: \(refused)")
                }
                #expect(ledger.process.log.contains("witness witness.example/w1"))
            }
        }

        @Test(
            "an external checkpoint that covers more fences, and one of the ledger's own past does not"
        )
        func external() async throws {
            let key = try SigningKeyFile(seed: 24)
            let kept = FileManager.default.temporaryDirectory.appending(
                path: "kept-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: kept) }
            let settings = [
                "LEDGER_SIGNING_KEY": key.path, "LEDGER_EXTERNAL_CHECKPOINT": kept.path,
            ]
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await withKeys(of: ledger) { stored in
                    try await ledger.seal("event", 5)
                    try await eventually("the checkpoint covers all") {
                        guard let bytes = try await stored.value(stored.keys.checkpoint) else {
                            return false
                        }
                        let note = try SignedNote(parsing: bytes)
                        guard try Checkpoint(parsing: note.text).size == 5 else { return false }
                        try Data(bytes).write(to: kept)
                        return true
                    }
                    await ledger.process.kill()
                    try await ledger.another(settings).use { again in
                        try await again.seal("again", 2)
                    }
                    let ahead = try key.signer.note(size: 100, root: .sha256([1])).encoded()
                    try Data(ahead).write(to: kept)
                    try await ledger.another(settings).use { again in
                        try await eventually("the service is fenced") {
                            try await again.calls.healthCheck().status == "FENCED"
                        }
                    }
                }
            }
        }
    }
}
