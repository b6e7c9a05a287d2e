import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// A replica that starts while etcd has no quorum.
    @Suite("Starting without a quorum", .serialized)
    struct ReadingWithoutQuorumTests {
        /// etcd without users: a login would need the quorum.
        @Test("reads what the members that answer have, says no more, and seals when it can")
        func startsReadOnly() async throws {
            let cluster = try await EtcdCluster.start(size: 3)
            do {
                try await startsReadOnly(cluster)
                await cluster.stop()
            } catch {
                await cluster.stop()
                throw error
            }
        }

        private func startsReadOnly(_ cluster: EtcdCluster) async throws {
            let first = try await LedgerFixture.start(on: cluster)
            let events = Ledger_CertifiedEvent.samples("kept", count: 30, payloadBytes: 3_000)
            for event in events { #expect(await first.calls.submit(event).isSealed) }
            let sealed = try await first.calls.events()
            await first.end()
            let leader = try await cluster.leader()
            let killed = (0..<3).filter { $0 != (leader + 1) % 3 }
            for member in killed { await cluster.kill(member) }

            let replica = try await first.another()
            try await replica.use { replica in
                let calls = replica.calls
                #expect(try await calls.healthCheck().status == "READ_ONLY")
                #expect(try await calls.servingStatus("") == .serving)
                #expect(try await calls.servingStatus("ledger.ImmutableLedger") == .notServing)
                let last = UInt64(sealed.count)
                #expect(try await calls.event(last) == sealed.last)
                #expect(try await calls.event(id: "kept-7") == sealed[6])
                #expect(try await calls.events(first: 3, last: last) == Array(sealed[2...]))
                // What only the quorum knows.
                for call in [
                    { _ = try await calls.event(last + 1) },
                    { _ = try await calls.event(id: "never-sealed") },
                    { _ = try await calls.events() },
                    { _ = try await calls.events(first: 1, last: last + 1) },
                ] as [() async throws -> Void] {
                    let failure = await #expect(throws: CallFailure.self) { try await call() }
                    #expect(failure?.code == .unavailable, "\(String(describing: failure))")
                    #expect(failure?.reason == "UNAVAILABLE")
                }
                let refused = await calls.submit(.sample("new"))
                #expect(refused.isNotSealed, "\(refused)")

                for member in killed { try await cluster.restart(member) }
                let settled = try await calls.settle(.sample("new"))
                #expect(settled.event?.sequenceNumber == last + 1)
                #expect(try await calls.healthCheck().status == "SERVING")
                #expect(try await LedgerCheck.contradictions(calls) == [])
            }
        }
    }
}
