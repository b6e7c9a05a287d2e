import LedgerAPI
import LedgerCore
import SwiftProtobuf
import Testing

@testable import LedgerServer

/// What replicas tell one another of themselves, so that one that leaves can name its successor.
@Suite("Successors that can be named")
struct SuccessorTests {
    private static let now = MonotonicInstant(nanoseconds: 1_000_000_000)

    private typealias Greeting = Ledger_Internal_Greeting

    private func candidate(
        _ address: String, _ id: String = "3b0c6a52", age: Int64 = 400
    ) -> SealingCandidate? {
        SealingCandidate(
            Greeting.with {
                $0.address = address
                $0.id = id
                $0.age = age
            }, at: Self.now)
    }

    @Test("a greeting tells where its sender is reached, and when it was started")
    func told() throws {
        for address in ["10.0.1.7:50052", "[fd00::1]:50052", "replica-1.example:1"] {
            let told = try #require(candidate(address))
            #expect(told.hint == SealerHint(address: address, id: "3b0c6a52"))
            #expect(told.startedAt == MonotonicInstant(nanoseconds: 999_999_600))
        }
    }

    @Test("the greeting of an earlier version names no candidate")
    func earlier() {
        #expect(SealingCandidate(Greeting.with { $0.sealerID = "x" }, at: Self.now) == nil)
    }

    @Test(
        "nothing but a plain address gets into the key that all replicas read",
        arguments: [
            "", "host", "host:0", "host:65536", ":50052", "a\"b:1", "a\\b:1", "a b:1", "a\n:1",
            "ä:1",
            "http://a:1", "u@a:1",
        ])
    func badAddress(_ address: String) {
        #expect(candidate(address) == nil)
    }

    @Test("what is too long, or no plain id, names no candidate, and no age can trap")
    func badRest() {
        #expect(candidate(String(repeating: "a", count: 264) + ":1") == nil)
        #expect(candidate("a:1", "") == nil)
        #expect(candidate("a:1", String(repeating: "a", count: 65)) == nil)
        #expect(candidate("a:1", "a\"") == nil)
        #expect(candidate("a:1", age: -1) == nil)
        #expect(candidate("a:1", age: .min) == nil)
        #expect(candidate("a:1", age: .max) != nil)
    }

    @Test("peers that were admitted with what they are can be named until they leave")
    func peers() throws {
        final class Peer: ForwardingPeer {
            func sayFarewell() {}
            func finish() {}
        }
        let peers = ForwardingPeers(metrics: LedgerMetrics(version: "test"))
        #expect(peers.successor(ofSealerStartedAt: Self.now) == nil)
        for _ in 1...3 { _ = peers.add { _ in Peer() } }
        #expect(peers.successor(ofSealerStartedAt: Self.now) == nil)
        peers.admit(1, as: nil)
        #expect(peers.successor(ofSealerStartedAt: Self.now) == nil)
        peers.admit(2, as: candidate("two:1", age: 200))
        peers.admit(3, as: candidate("three:1", age: 100))
        let old = MonotonicInstant(nanoseconds: 0)
        #expect(peers.successor(ofSealerStartedAt: old)?.address == "three:1")
        peers.remove(3)
        #expect(peers.successor(ofSealerStartedAt: old)?.address == "two:1")
    }
}
