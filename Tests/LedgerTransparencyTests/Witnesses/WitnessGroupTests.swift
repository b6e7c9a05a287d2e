import HTTPTransport
import LedgerCore
import Logging
import Synchronization
import TestSupport
import Testing

@testable import LedgerTransparency

/// The client against a witness in another language, well-behaved and not.
@Suite("WitnessGroup", .serialized)
struct WitnessGroupTests {
    /// A ledger's key and tree, and its witnesses.
    private final class Bench: Sendable {
        let signer: NoteSigner
        let results = Mutex<[String: [WitnessResult]]>([:])
        let log: LogRecorder
        private let tree: TestTree

        init() throws {
            signer = try NoteSigner(
                name: "ledger.example/test", privateKey: [UInt8](repeating: 3, count: 32))
            tree = TestTree()
            log = LogRecorder()
        }

        func witness(_ name: String, mode: String = "normal") throws -> PythonWitness {
            try PythonWitness(
                name: name, seed: UInt8(truncatingIfNeeded: name.hashValue),
                logs: [signer.verifier.verifierKey], mode: mode)
        }

        /// A group that works while the body does.
        func with<Value: Sendable>(
            _ addresses: [String], limits: WitnessLimits = .patient,
            _ body: (WitnessGroup) async throws -> Value
        ) async throws -> Value {
            var settings = TransportSettings(threadName: "test")
            settings.protocols = .httpAndHTTPS
            let tree = tree
            let group = WitnessGroup(
                try addresses.map { try #require(WitnessAddress(parsing: $0)) },
                signers: [signer], tree: { tree }, transport: try CurlTransport(settings),
                logger: Logger(label: "test") { _ in log }, limits: limits,
                onResult: { [weak self] name, result in
                    self?.results.withLock { $0[name, default: []].append(result) }
                })
            return try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                defer { tasks.cancelAll() }
                return try await body(group)
            }
        }

        /// A signed checkpoint of the test's tree, or of one that differs from leaf 40 on.
        func note(_ size: UInt64, isForked: Bool = false) throws -> (SignedNote, Checkpoint) {
            let root = TestTree.root(size, isForked: isForked)
            return (
                try signer.note(size: size, root: root),
                Checkpoint(origin: signer.verifier.name, size: size, root: root)
            )
        }

        /// The times of valid cosignatures.
        func cosigners(
            _ group: WitnessGroup, _ size: UInt64, isForked: Bool = false
        ) async throws -> [String] {
            let (note, checkpoint) = try note(size, isForked: isForked)
            return await group.cosign(note, checkpoint).map(\.name)
        }

        func results(of name: String) -> [WitnessResult] {
            results.withLock { $0[name] ?? [] }
        }
    }

    @Test("every witness cosigns every checkpoint, each proved to continue the one before")
    func cosigns() async throws {
        let bench = try Bench()
        let witnesses = try ["a", "b"].map { try bench.witness($0) }
        try await bench.with(witnesses.map(\.setting)) { group async throws in
            for size: UInt64 in [1, 2, 5, 5, 64, 100, 257] {
                let (note, checkpoint) = try bench.note(size)
                let found = await group.cosign(note, checkpoint)
                #expect(found.map(\.name) == ["a", "b"])
                let cosigned = SignedNote(
                    text: note.text, signatures: note.signatures + found)
                for witness in witnesses {
                    let verifier = try CosignatureVerifier(parsing: witness.verifierKey)
                    _ = try verifier.cosignature(of: cosigned)
                }
            }
            #expect(
                await group.records()
                    == ["a", "b"].map {
                        OutsideRecord(
                            source: "witness \($0)", size: 257, root: TestTree.root(257))
                    })
        }
    }

    @Test(
        "a witness that has cosigned before is found where it is, by a question and by a checkpoint"
    )
    func restarted() async throws {
        let bench = try Bench()
        let witness = try bench.witness("a")
        try await bench.with([witness.setting]) { group async throws in
            #expect(try await bench.cosigners(group, 70) == ["a"])
        }
        try await bench.with([witness.setting]) { group async throws in
            #expect(await group.records() == [OutsideRecord(source: "witness a", size: 70)])
            #expect(try await bench.cosigners(group, 80) == ["a"])
        }
        try await bench.with([witness.setting]) { group async throws in
            #expect(try await bench.cosigners(group, 90) == ["a"])
        }
        #expect(
            bench.results(of: "a") == [.cosigned, .otherSize, .cosigned, .otherSize, .cosigned])
    }

    @Test("the question is no statement: a new witness stays new")
    func question() async throws {
        let bench = try Bench()
        let witness = try bench.witness("a")
        try await bench.with([witness.setting]) { group async throws in
            #expect(await group.records().isEmpty)
            #expect(try await bench.cosigners(group, 3) == ["a"])
        }
    }

    @Test("a ledger that was set back, or forked, is known from what witnesses say")
    func rollback() async throws {
        let bench = try Bench()
        let witness = try bench.witness("a")
        try await bench.with([witness.setting]) { group async throws in
            #expect(try await bench.cosigners(group, 70) == ["a"])
        }
        try await bench.with([witness.setting]) { group async throws in
            #expect(try await bench.cosigners(group, 60).isEmpty)
            #expect(await group.records() == [OutsideRecord(source: "witness a", size: 70)])
            // As far as before, and another root: at once.
            #expect(try await bench.cosigners(group, 70, isForked: true).isEmpty)
            #expect(
                await group.records() == [
                    OutsideRecord(source: "witness a", size: 70, isContradicted: true)
                ])
        }
        try await bench.with([witness.setting]) { group async throws in
            // Further than before: the proof is of this ledger, and does not lead to what was cosigned.
            #expect(try await bench.cosigners(group, 80, isForked: true).isEmpty)
            #expect(await group.records().first?.isContradicted == false)
            try await eventually("the witness has said so twice") {
                _ = try await bench.cosigners(group, 81, isForked: true)
                return await group.records().first?.isContradicted == true
            }
        }
        #expect(bench.results(of: "a").contains(.inconsistent))
        #expect(bench.results(of: "a").contains(.otherRoot))
    }

    @Test(
        "nothing is attached that is not the configured witness's cosignature of this checkpoint, of now",
        arguments: [
            ("wrong-signature", WitnessResult.badCosignature), ("other-key", .badCosignature),
            ("impostor", .badCosignature), ("old-time", .badCosignature),
            ("future-time", .badCosignature), ("empty", .malformed), ("text", .malformed),
            ("injected", .malformed), ("huge", .malformed), ("drop", .unreachable),
            ("error", .unavailable), ("redirect", .malformed), ("untyped", .malformed),
            ("inconsistent", .inconsistent), ("unknown", .unknownLog), ("forbidden", .unknownKey),
            ("refuse", .refused), ("loop", .otherSize),
        ])
    func misbehaviour(mode: String, result: WitnessResult) async throws {
        let bench = try Bench()
        let (bad, good) = (try bench.witness("bad", mode: mode), try bench.witness("good"))
        try await bench.with([bad.setting, good.setting]) { group async throws in
            #expect(try await bench.cosigners(group, 50) == ["good"])
            #expect(bench.results(of: "bad").last == result)
            let requests = try await bad.requests()
            #expect((1...3).contains(requests))
            // It is left alone for half a second at least, and told of once.
            let begin = ContinuousClock.now
            for size: UInt64 in 51...60 {
                #expect(try await bench.cosigners(group, size) == ["good"])
            }
            let rests = Int((ContinuousClock.now - begin) / .milliseconds(500)) + 1
            #expect(try await bad.requests() <= requests + 3 * rests)
            #expect(group.statuses.map(\.trouble) == [result, nil])
            #expect(bench.log.count(of: "the witness \(result.sentence)") == 1)
            // It comes to its senses.
            try await bad.set(mode: "normal")
            try await eventually("it cosigns again") {
                try await bench.cosigners(group, 61) == ["bad", "good"]
            }
            #expect(group.statuses.map(\.trouble) == [nil, nil])
            #expect(bench.log.count(of: "the witness answers again") == 1)
        }
    }

    @Test("a witness that names a larger size is heard, and not taken for broken")
    func larger() async throws {
        let bench = try Bench()
        let witness = try bench.witness("a", mode: "larger")
        try await bench.with([witness.setting]) { group async throws in
            #expect(try await bench.cosigners(group, 50).isEmpty)
            #expect(group.statuses.map(\.trouble) == [nil])
            #expect(group.statuses.map(\.cosignedSize) == [1050])
        }
    }

    @Test(
        "a checkpoint does not wait for a slow witness, whose answer counts for what is known of it"
    )
    func slow() async throws {
        let bench = try Bench()
        let (slow, quick) = (try bench.witness("slow", mode: "slow"), try bench.witness("quick"))
        var limits = WitnessLimits.patient
        limits.collecting = .milliseconds(700)
        try await bench.with([slow.setting, quick.setting], limits: limits) { group async throws in
            let begin = ContinuousClock.now
            let found = try await bench.cosigners(group, 50)
            let duration = ContinuousClock.now - begin
            #expect(!found.contains("slow"))
            // It answers after three seconds.
            #expect(duration < .milliseconds(2_900))
            // Behind its answer nobody waits at all.
            let again = ContinuousClock.now
            _ = try await bench.cosigners(group, 51)
            #expect(.now - again < .milliseconds(2_000))
            try await eventually("the late answer counts") {
                group.statuses[0].cosignedSize == 50 || group.statuses[0].cosignedSize == 51
            }
        }
    }

    @Test("a witness that nobody can reach is told of once, and asked ever more rarely")
    func gone() async throws {
        let bench = try Bench()
        let gone = try bench.witness("gone")
        gone.stop()
        var limits = WitnessLimits.patient
        (limits.firstRest, limits.longestRest) = (.seconds(600), .seconds(600))
        try await bench.with([gone.setting], limits: limits) { group async throws in
            for size: UInt64 in 1...20 {
                #expect(try await bench.cosigners(group, size).isEmpty)
            }
            #expect(bench.results(of: "gone") == [.unreachable])
            #expect(group.statuses.first?.trouble == .unreachable)
        }
    }

    @Test("without a tree there is no proof, and nothing is sent")
    func noTree() async throws {
        let bench = try Bench()
        let witness = try bench.witness("a")
        var settings = TransportSettings(threadName: "test")
        settings.protocols = .httpAndHTTPS
        let group = WitnessGroup(
            [try #require(WitnessAddress(parsing: witness.setting))], signers: [bench.signer],
            tree: { nil }, transport: try CurlTransport(settings), logger: Logger(label: "test"),
            limits: .patient)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            defer { tasks.cancelAll() }
            #expect(try await bench.cosigners(group, 5) == ["a"])
            let before = try await witness.requests()
            #expect(try await bench.cosigners(group, 6).isEmpty)
            #expect(try await witness.requests() == before)
            #expect(group.statuses.first?.trouble == .noProof)
        }
    }
}

extension WitnessLimits {
    /// With times that a machine which does many things at once does not reach, and short rests.
    fileprivate static var patient: WitnessLimits {
        var limits = WitnessLimits()
        limits.collecting = .seconds(30)
        limits.request = .seconds(30)
        limits.connect = .seconds(30)
        limits.firstRest = .seconds(1)
        limits.longestRest = .seconds(1)
        return limits
    }
}

/// A tree whose leaves are the hashes of their numbers.
private struct TestTree: LedgerTree {
    private static func leaf(_ index: UInt64, isForked: Bool) -> Digest {
        Digest.sha256(Array("\(isForked && index >= 40 ? "fork" : "leaf") \(index)".utf8))
    }

    private static func hash(_ node: TreeNode, isForked: Bool = false) -> Digest {
        let first = node.index << UInt64(node.height)
        return MerkleTree.root(
            of: (first..<first + 1 << UInt64(node.height)).map { leaf($0, isForked: isForked) })
    }

    static func root(_ size: UInt64, isForked: Bool = false) -> Digest {
        MerkleTree.root(of: (0..<size).map { leaf($0, isForked: isForked) })
    }

    func root(size: UInt64) async throws(TreeError) -> Digest { Self.root(size) }

    func consistencyPath(
        from first: UInt64, to second: UInt64
    ) async throws(TreeError) -> [Digest] {
        MerkleTree.consistencyPath(from: first, to: second) { Self.hash($0) }
    }
}
