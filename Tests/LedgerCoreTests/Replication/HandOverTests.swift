import Testing

@testable import LedgerCore

/// replicas.md, "Who seals": a sealer that leaves names its successor, which is one that stays.
@Suite("Handing the hint over")
struct HandOverTests {
    private static func candidate(_ name: String, startedAt seconds: Int64) -> SealingCandidate {
        SealingCandidate(
            hint: SealerHint(address: "\(name):50052", id: name),
            startedAt: MonotonicInstant(nanoseconds: seconds * 1_000_000_000))
    }

    private func successor(_ candidates: [SealingCandidate], ofSealerStartedAt seconds: Int64)
        -> String?
    {
        SealingCandidate.successor(
            among: candidates,
            ofSealerStartedAt: MonotonicInstant(nanoseconds: seconds * 1_000_000_000))?.id
    }

    // MARK: Who

    @Test("of replicas that are replaced one after another the youngest is chosen: it stays")
    func youngest() {
        let others = [
            Self.candidate("old", startedAt: 101), Self.candidate("new", startedAt: 900),
            Self.candidate("older", startedAt: 99),
        ]
        #expect(successor(others, ofSealerStartedAt: 100) == "new")
        #expect(successor(others.reversed(), ofSealerStartedAt: 100) == "new")
    }

    @Test("where there are to be fewer, the youngest leave, and the oldest is chosen")
    func oldest() {
        let others = [
            Self.candidate("b", startedAt: 200), Self.candidate("a", startedAt: 100),
            Self.candidate("c", startedAt: 300),
        ]
        #expect(successor(others, ofSealerStartedAt: 400) == "a")
        #expect(successor(others.reversed(), ofSealerStartedAt: 400) == "a")
    }

    @Test("whoever of three is rolled first, one roll costs one change")
    func rolled() {
        for first in 0..<3 {
            var running = (0..<3).map { Self.candidate("old \($0)", startedAt: Int64($0)) }
            var sealer = running[first]
            var changes = 0
            for old in running {
                let new = Self.candidate(
                    "new \(old.hint.id)", startedAt: 100 + old.startedAt.seconds)
                running.append(new)
                running.removeAll { $0 == old }
                guard sealer == old else { continue }
                changes += 1
                let hint = SealingCandidate.successor(
                    among: running, ofSealerStartedAt: old.startedAt)
                guard let next = running.first(where: { $0.hint == hint }) else {
                    Issue.record("nobody is named")
                    return
                }
                sealer = next
            }
            #expect(changes == 1, "\(first)")
        }
    }

    @Test("with nobody who forwards there is nobody to name")
    func nobody() {
        #expect(successor([], ofSealerStartedAt: 1) == nil)
    }

    // MARK: How

    @Test("a leaving sealer puts its successor's hint under its lease, and seals until it follows")
    func leaving() throws {
        let bench = try ReplicaBench.sealing()
        let effects = bench.send(.leaving(to: ReplicaBench.other))
        let handedOver = try required(effects.handedOver)
        #expect(handedOver.lease == 1)
        #expect(handedOver.to == ReplicaBench.other)
        #expect(handedOver.hintRevision == bench.core.election.reading.revision)
        #expect(effects.givenBack == nil)
        #expect(bench.core.takesForwards)
        #expect(!bench.core.hasHandedOver)
        // The own hint, which is about to be replaced, is not taken for a new one.
        let own = bench.read(ReplicaBench.me, revision: handedOver.hintRevision, lease: 1)
        #expect(own.givenBack == nil)
        #expect(!bench.core.isSealer)
        let (token, submitted) = bench.submit("a")
        #expect(submitted.batch == [token])
        #expect(bench.notice(ReplicaBench.other, revision: 200, lease: 1).connected != nil)
        #expect(bench.core.hasHandedOver)
    }

    @Test("nothing is handed over to the leaving replica itself, nor by one that does not seal")
    func notToItself() throws {
        let sealing = try ReplicaBench.sealing()
        let effects = sealing.send(.leaving(to: ReplicaBench.me))
        #expect(effects.handedOver == nil)
        #expect(effects.givenBack == 1)
        let (following, _) = try ReplicaBench.following()
        #expect(following.send(.leaving(to: ReplicaBench.third)).isEmpty)
    }

    @Test("who is named takes over when its attempt to take the hint shows its own")
    func named() throws {
        let (bench, link) = try ReplicaBench.following()
        let take = try required(bench.send(.farewell(link)).take)
        let effects = bench.lost(take, to: ReplicaBench.me, revision: 60, lease: 8)
        #expect(bench.core.isSealer)
        #expect(effects.connected == nil)
        // How old the lease is cannot be known.
        #expect(bench.tick().renewed == 8)
    }

    @Test("who is named and leaves as well gives the hint back, and goes on looking for a sealer")
    func namedAndLeaving() throws {
        let (bench, link) = try ReplicaBench.following()
        let take = try required(bench.send(.farewell(link)).take)
        bench.send(.leaving(to: nil))
        let effects = bench.lost(take, to: ReplicaBench.me, revision: 60, lease: 8)
        #expect(effects.givenBack == 8)
        #expect(!bench.core.isSealer)
        #expect(bench.run(milliseconds: 20).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 70).connected != nil)
    }

    @Test("who is not named follows the successor, and does not take the hint from it")
    func notNamed() throws {
        let (bench, link) = try ReplicaBench.following()
        let take = try required(bench.send(.farewell(link)).take)
        let effects = bench.lost(take, to: ReplicaBench.third, revision: 60, lease: 8)
        #expect(effects.connected != nil)
        #expect(bench.core.part == "following")
    }
}

extension MonotonicInstant {
    fileprivate var seconds: Int64 { nanoseconds / 1_000_000_000 }
}
