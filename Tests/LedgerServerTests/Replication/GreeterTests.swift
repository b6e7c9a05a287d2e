import Foundation
import GRPCCore
import LedgerAPI
import LedgerCore
import LedgerStore
import SwiftProtobuf
import Synchronization
import Testing

@testable import LedgerReplica
@testable import LedgerServer

/// protocol.md 20: what replicas say to each other first shows whether they mean the same ledger.
@Suite("Greetings of other replicas", .timeLimit(.minutes(1)))
struct GreeterTests {
    private static let cluster: UInt64 = 0xbeef
    private static let prefix = Array("ledger/".utf8)

    private func greeting(
        head: UInt64 = 0, hash: EventHash = .zero
    ) -> Ledger_Internal_Greeting {
        .with {
            $0.clusterID = Self.cluster
            $0.prefix = Data(Self.prefix)
            $0.sealerID = "one"
            $0.headNumber = head
            $0.headHash = Data(hash.bytes)
        }
    }

    /// Checks a greeting at a replica that covers three events, while the store shows so many.
    private func check(
        _ greeting: (LoadedReplica) -> Ledger_Internal_Greeting, stored: UInt64 = 3
    ) async throws -> (error: RPCError?, fence: LedgerInconsistency?) {
        let ledger = try LoadedReplica(events: 3)
        ledger.replica.cluster.store(Self.cluster, ordering: .relaxed)
        ledger.load()
        let greeter = Greeter(
            id: "one", prefix: Self.prefix, replica: ledger.replica, blocks: ledger.blocks)
        var head = ledger.state.observation
        if stored > 3 { head = try LoadedReplica(events: Int(stored)).state.observation }
        let shown = head
        let reads = Task { await ledger.replica.heads.run(known: { nil }) { .success(shown) } }
        defer { reads.cancel() }
        var error: RPCError?
        do {
            try await greeter.check(greeting(ledger))
        } catch let refusal as RPCError {
            error = refusal
        }
        return (error, ledger.replica.state.withLock { $0.core.fence })
    }

    @Test("protocol.md 20: a caller that knows what is sealed here is served, whatever its head is")
    func served() async throws {
        for number in UInt64(0)...3 {
            let (error, fence) = try await check { ledger in
                greeting(
                    head: number, hash: number == 0 ? .zero : ledger.hashes[Int(number) - 1])
            }
            #expect(error == nil, "\(number)")
            #expect(fence == nil)
        }
    }

    @Test(
        "protocol.md 20: a head that the receiver's linearizable read does not contain fences")
    func lost() async throws {
        let (error, fence) = try await check { _ in greeting(head: 5) }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message.contains("has lost") == true)
        guard case .rolledBack(known: 5, found: 3)? = fence else {
            Issue.record("fenced by \(String(describing: fence))")
            return
        }
    }

    @Test("protocol.md 20: another event under the number of the caller's head fences")
    func other() async throws {
        for number in UInt64(1)...3 {
            let (error, fence) = try await check { _ in
                greeting(head: number, hash: .sha256([1, 2, 3]))
            }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.message.contains("another event") == true)
            guard case .rolledBack? = fence else {
                Issue.record("fenced by \(String(describing: fence)) at \(number)")
                return
            }
        }
    }

    @Test("a head that the store has and this replica does not cover yet is no reason to fence")
    func behind() async throws {
        let (error, fence) = try await check({ _ in greeting(head: 5) }, stored: 5)
        #expect(error?.code == .unavailable)
        #expect(fence == nil)
    }

    @Test("protocol.md 20: a caller of another ledger is refused, and fences nobody")
    func strangers() async throws {
        typealias Change = (inout Ledger_Internal_Greeting) -> Void
        let changes: [(String, Change)] = [
            ("cluster", { $0.clusterID = 1 }), ("prefix", { $0.prefix = Data("other/".utf8) }),
            ("hint", { $0.sealerID = "two" }), ("32 bytes", { $0.headHash = Data(count: 31) }),
        ]
        for (word, change) in changes {
            var greeting = greeting(head: 5)
            change(&greeting)
            let (error, fence) = try await check { _ in greeting }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            #expect(fence == nil)
        }
    }
}
