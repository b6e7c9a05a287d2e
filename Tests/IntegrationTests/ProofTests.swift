import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import TestSupport
import Testing

extension Integration {
    /// Proofs, checkpoints and receipts as a caller gets them, and every way in which they are refused.
    @Suite("Proofs and receipts", .serialized)
    struct ProofTests {
        private let signer: NoteSigner

        init() throws {
            signer = try NoteSigner(
                name: "localhost/immutable-ledger", privateKey: Array(repeating: 9, count: 32))
        }

        private static let patient = [
            "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
        ]

        private func seal(_ count: Int, _ ledger: LedgerFixture) async throws {
            let answers = try await ledger.calls.submitStream(
                Ledger_CertifiedEvent.samples("e-\(UUID().uuidString.prefix(4))", count: count))
            #expect(answers.count { $0.isSealed } == count)
        }

        /// The leaf hashes of everything that is stored.
        private func leaves(_ stored: StoredLedger) async throws -> [Digest] {
            try await stored.blocks().flatMap { block in
                try Block(decoding: block.bytes, firstNumber: SequenceNumber(block.number))
                    .entries.map { MerkleTree.leafHash(of: $0) }
            }
        }

        private func put(
            _ size: UInt64, _ stored: StoredLedger
        ) async throws {
            let root = try await MerkleTree.root(of: Array(leaves(stored).prefix(Int(size))))
            try await stored.put(
                stored.keys.checkpoint, signer.note(size: size, root: root).encoded())
        }

        private func expect(
            _ code: RPCError.Code, _ reason: String, _ what: String,
            _ call: () async throws -> some Any
        ) async {
            let failure = await #expect(throws: CallFailure.self, "\(what)") { try await call() }
            #expect(failure?.code == code, "\(what): \(String(describing: failure))")
            #expect(failure?.reason == reason, "\(what): \(String(describing: failure))")
        }

        private func digests(_ bytes: [Data]) -> [Digest] {
            bytes.compactMap { Digest(bytes: Array($0)) }
        }

        // MARK: Proofs

        @Test("proofs lead from every stored event and every size to the root of the stored events")
        func proofs() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: Self.patient) { ledger in
                try await seal(520, ledger)
                try await withKeys(of: ledger) { stored in
                    let leaves = try await leaves(stored)
                    #expect(leaves.count == 520)
                    let sizes: [UInt64] = [1, 2, 255, 256, 257, 511, 512, 513, 520]
                    for (place, size) in sizes.enumerated() {
                        let root = MerkleTree.root(of: Array(leaves.prefix(Int(size))))
                        for number in Set([1, (size + 1) / 2, size]) {
                            let proof = try await ledger.calls.inclusion(of: number, size: size)
                            #expect(proof.sequenceNumber == number && proof.treeSize == size)
                            #expect(Array(proof.rootHash) == root.bytes)
                            let leaf = leaves[Int(number) - 1]
                            #expect(Array(proof.leafHash) == leaf.bytes)
                            #expect(
                                MerkleTree.verifyInclusion(
                                    leaf: leaf, index: number - 1, size: size,
                                    path: digests(proof.path), root: root))
                        }
                        for first in sizes[...place] {
                            let proof = try await ledger.calls.consistency(from: first, to: size)
                            let firstRoot = MerkleTree.root(of: Array(leaves.prefix(Int(first))))
                            #expect(Array(proof.firstRoot) == firstRoot.bytes)
                            #expect(Array(proof.secondRoot) == root.bytes)
                            #expect(
                                MerkleTree.verifyConsistency(
                                    first: first, second: size, firstRoot: firstRoot,
                                    secondRoot: root, path: digests(proof.path)))
                        }
                    }
                    #expect(try await ledger.calls.inclusion(of: 7).treeSize == 520)
                    let whole = try await ledger.calls.consistency(from: 9)
                    #expect(Array(whole.secondRoot) == MerkleTree.root(of: leaves).bytes)
                    #expect(try await ledger.calls.consistency(from: 520, to: 520).path.isEmpty)
                }
            }
        }

        @Test("numbers and sizes that there are not are refused as the contract says")
        func refusedProofs() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                let calls = ledger.calls
                for size in [0, 1] as [UInt64] {
                    await expect(
                        size == 0 ? .invalidArgument : .outOfRange,
                        size == 0 ? "INVALID_ARGUMENT" : "OUT_OF_RANGE", "an empty ledger, \(size)"
                    ) { try await calls.inclusion(of: 1, size: size) }
                    await expect(
                        size == 0 ? .invalidArgument : .outOfRange,
                        size == 0 ? "INVALID_ARGUMENT" : "OUT_OF_RANGE", "an empty ledger, \(size)"
                    ) { try await calls.consistency(from: 1, to: size) }
                }
                try await seal(3, ledger)
                let invalid: [(UInt64, UInt64)] = [
                    (0, 0), (0, 3), (4, 3), (4, 0), (.max, 3), (.max, 0),
                ]
                for (number, size) in invalid {
                    await expect(.invalidArgument, "INVALID_ARGUMENT", "\(number) in \(size)") {
                        try await calls.inclusion(of: number, size: size)
                    }
                    await expect(.invalidArgument, "INVALID_ARGUMENT", "\(number) to \(size)") {
                        try await calls.consistency(from: number, to: size)
                    }
                }
                for size in [4, 1 << 63, UInt64.max] {
                    for number in [1, size] {
                        await expect(.outOfRange, "OUT_OF_RANGE", "\(number) in \(size)") {
                            try await calls.inclusion(of: number, size: size)
                        }
                        await expect(.outOfRange, "OUT_OF_RANGE", "\(number) to \(size)") {
                            try await calls.consistency(from: number, to: size)
                        }
                    }
                }
            }
        }

        @Test("what was acknowledged by one replica is proved by the other at once")
        func linearizable() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: Self.patient) { ledger in
                try await ledger.another().use { other in
                    for index in 0..<30 {
                        let answer = await ledger.calls.submit(.sample("one-\(index)"))
                        let number = try #require(answer.event?.sequenceNumber)
                        let exact = try await other.calls.inclusion(of: number, size: number)
                        #expect(exact.treeSize == number)
                        #expect(try await other.calls.inclusion(of: number).treeSize >= number)
                        #expect(
                            try await other.calls.consistency(from: number, to: number).path
                                .isEmpty)
                    }
                }
            }
        }

        @Test("a tile that was altered or deleted gives no proof")
        func tamperedTile() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster, settings: Self.patient) { ledger in
                try await seal(300, ledger)
                try await withKeys(of: ledger) { stored in
                    let key = stored.keys.tile(TileID(level: 0, index: 0))
                    let right = try #require(try await stored.value(key))
                    try await stored.change(key) { $0[32 * 200] ^= 1 }
                    for _ in 0..<2 {
                        await expect(.dataLoss, "CORRUPT", "altered") {
                            try await ledger.calls.inclusion(of: 5, size: 300)
                        }
                        await expect(.dataLoss, "CORRUPT", "altered") {
                            try await ledger.calls.consistency(from: 5, to: 300)
                        }
                    }
                    try await stored.delete(key)
                    await expect(.dataLoss, "CORRUPT", "deleted") {
                        try await ledger.calls.inclusion(of: 5, size: 300)
                    }
                    try await stored.put(key, right)
                    _ = try await ledger.calls.inclusion(of: 5, size: 300)
                }
            }
        }

        // MARK: Checkpoints and receipts

        @Test("without a key there is neither checkpoint nor receipt, until somebody puts one")
        func noSigningKey() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                for count in 0..<2 {
                    if count == 1 { try await seal(2, ledger) }
                    await expect(.failedPrecondition, "NO_SIGNING_KEY", "a checkpoint") {
                        try await ledger.calls.checkpoint()
                    }
                    await expect(.failedPrecondition, "NO_SIGNING_KEY", "a receipt") {
                        try await ledger.calls.receipt(of: 1)
                    }
                }
                try await withKeys(of: ledger) { stored in
                    try await put(2, stored)
                    let note = try await ledger.calls.checkpoint()
                    #expect(
                        try await stored.value(stored.keys.checkpoint) == Array(note.utf8))
                    try check(try await ledger.calls.receipt(of: 2), number: 2, size: 2)
                }
            }
        }

        @Test("with a key, an empty ledger has no checkpoint yet, and later every event is covered")
        func signing() async throws {
            let key = try SigningKeyFile(seed: 9)
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(
                on: cluster, settings: ["LEDGER_SIGNING_KEY": key.path]
            ) { ledger in
                await expect(.notFound, "NOT_FOUND", "an empty ledger") {
                    try await ledger.calls.checkpoint()
                }
                await expect(.notFound, "NOT_FOUND", "an empty ledger") {
                    try await ledger.calls.receipt(of: 1)
                }
                for number in 1...5 as ClosedRange<UInt64> {
                    try await seal(1, ledger)
                    let receipt = try await ledger.calls.receipt(
                        of: number, waitMilliseconds: 5_000)
                    try check(receipt, number: number)
                }
                let note = try SignedNote(parsing: Array(try await ledger.calls.checkpoint().utf8))
                #expect(try signer.verifier.checkpoint(of: note).size == 5)
            }
        }

        @Test("a receipt is for an event that there is, and waits for at most five seconds")
        func refusedReceipts() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await seal(3, ledger)
                try await withKeys(of: ledger) { stored in
                    try await put(2, stored)
                    let calls = ledger.calls
                    await expect(.invalidArgument, "INVALID_ARGUMENT", "number 0") {
                        try await calls.receipt(of: 0)
                    }
                    for wait in [5_001, .max] as [UInt32] {
                        await expect(.invalidArgument, "INVALID_ARGUMENT", "\(wait) ms") {
                            try await calls.receipt(of: 1, waitMilliseconds: wait)
                        }
                    }
                    for number in [4, .max] as [UInt64] {
                        await expect(.notFound, "NOT_FOUND", "number \(number)") {
                            try await calls.receipt(of: number)
                        }
                    }
                    for wait in [0, 300] as [UInt32] {
                        let begin = ContinuousClock.now
                        let failure = await #expect(throws: CallFailure.self) {
                            try await calls.receipt(of: 3, waitMilliseconds: wait)
                        }
                        #expect(failure?.code == .unavailable)
                        #expect(
                            failure?.reason == "NOT_YET_COVERED" && failure?.hasRetryInfo == true)
                        #expect(
                            begin.duration(to: .now) >= .milliseconds(Int64(wait)), "\(wait) ms")
                    }
                    async let waiting = calls.receipt(of: 3, waitMilliseconds: 5_000)
                    try await put(3, stored)
                    try check(try await waiting, number: 3, size: 3)
                }
            }
        }

        @Test("waiting for a receipt ends with the caller's deadline, and with the replica")
        func waitingEnds() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await seal(2, ledger)
                try await withKeys(of: ledger) { stored in
                    try await put(1, stored)
                    // Whoever says it first, the library or the service.
                    let late = await #expect(throws: CallFailure.self) {
                        try await ledger.calls.receipt(
                            of: 2, waitMilliseconds: 5_000, timeout: .milliseconds(200))
                    }
                    #expect(late?.code == .deadlineExceeded)
                    let calls = ledger.calls
                    let waiting = Task {
                        await #expect(throws: CallFailure.self) {
                            try await calls.receipt(of: 2, waitMilliseconds: 5_000)
                        }
                    }
                    try await eventually("it waits") {
                        try await ledger.process.metrics()[
                            "ledger_grpc_calls{port=\"public\"}"] == 1
                    }
                    ledger.process.terminate()
                    let stopped = await waiting.value
                    #expect(stopped?.code == .unavailable && stopped?.reason == "STOPPING")
                    #expect(try await ledger.process.waitForEnd() == 0)
                }
            }
        }

        @Test("a stored checkpoint that is none, or that contradicts the tree, is corruption")
        func corruptCheckpoints() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await seal(3, ledger)
                try await withKeys(of: ledger) { stored in
                    let key = stored.keys.checkpoint
                    let right = try await MerkleTree.root(of: leaves(stored))
                    let wrong: [(String, [UInt8])] = [
                        ("empty", []), ("no note", Array("hello\n".utf8)),
                        ("not UTF-8", [0xFF, 0x0A, 0x0A, 0x0A]),
                        ("another root", try signer.note(size: 3, root: .sha256([1])).encoded()),
                        ("another size", try signer.note(size: 2, root: right).encoded()),
                        ("more than there is", try signer.note(size: 4, root: right).encoded()),
                        ("far more", try signer.note(size: .max, root: right).encoded()),
                        ("nothing, with a root", try signer.note(size: 0, root: right).encoded()),
                    ]
                    for (what, bytes) in wrong {
                        try await stored.put(key, bytes)
                        await expect(.dataLoss, "CORRUPT", what) {
                            try await ledger.calls.checkpoint()
                        }
                        await expect(.dataLoss, "CORRUPT", what) {
                            try await ledger.calls.receipt(of: 1)
                        }
                    }
                    // With the signatures of others, which are kept.
                    let note = try signer.note(size: 3, root: right)
                    let other = SignedNote.Signature(
                        name: "witness.example", keyID: 5, signature: [1, 2, 3])
                    let cosigned = SignedNote(
                        text: note.text, signatures: note.signatures + [other])
                    try await stored.put(key, cosigned.encoded())
                    let receipt = try await ledger.calls.receipt(of: 1)
                    try check(receipt, number: 1, size: 3)
                    #expect(receipt.receipt.contains("witness.example"))
                }
            }
        }

        @Test("an event that is not the one in the tree gets no receipt")
        func corruptEvent() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = ["LEDGER_CACHE_BYTES": "0", "LEDGER_FOLLOW_BYTES": "0"]
            try await withLedger(on: cluster, settings: settings) { ledger in
                // A block of one event: no chain within it shows the change.
                #expect(await ledger.calls.submit(.sample("one")).isSealed)
                #expect(await ledger.calls.submit(.sample("two")).isSealed)
                try await withKeys(of: ledger) { stored in
                    try await put(2, stored)
                    try check(try await ledger.calls.receipt(of: 1), number: 1, size: 2)
                    let key = stored.keys.block(1)
                    let entry = try #require(try await stored.value(key))
                    let place = try #require(entry.firstRange(of: Array("one".utf8))?.lowerBound)
                    try await stored.change(key) { $0[place] ^= 1 }
                    await expect(.dataLoss, "CORRUPT", "an altered event") {
                        try await ledger.calls.receipt(of: 1)
                    }
                    try check(try await ledger.calls.receipt(of: 2), number: 2, size: 2)
                }
            }
        }

        /// Checks a receipt as somebody who is offline would.
        private func check(
            _ answer: Ledger_GetReceiptResponse, number: UInt64, size: UInt64? = nil
        ) throws {
            let receipt = try Receipt(parsing: Array(answer.receipt.utf8))
            #expect(receipt.index == number - 1)
            let checkpoint = try receipt.verify(
                entry: Array(answer.entry), with: signer.verifier)
            #expect(checkpoint.size >= number)
            if let size { #expect(checkpoint.size == size) }
        }
    }
}
