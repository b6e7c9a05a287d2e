import Testing

@testable import LedgerCore

@Suite("Resolving a transaction")
struct ResolvingTests {
    @Test(
        "protocol.md 1: after \"no space\" nothing is said before a later read shows the counter unchanged"
    )
    func noSpaceIsUnknown() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let effects = bench.end(proposal, .noSpace)
        #expect(effects.outcomes.isEmpty)
        let read = try required(effects.observation)
        let settled = bench.send(.observed(read, .success(.empty)))
        #expect(settled.outcomes == [.notSealed(.storageFull)])
    }

    @Test("protocol.md 1: after \"no space\" an event that was applied all the same is sealed")
    func noSpaceCanMeanApplied() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .noSpace).observation)
        let seen = proposal.observed(at: 2)
        let catching = bench.send(.observed(read, .success(seen)))
        #expect(catching.readsBlocks)
        let block = try BlockDigest(first: proposal.first, bytes: proposal.block)
        let settled = bench.send(.blocksRead(.success([block])))
        #expect(settled.outcomes.map(\.number) == [1])
    }

    @Test(
        "protocol.md 1: with another transmission open, an unchanged counter does not settle \"no space\""
    )
    func noSpaceWithOpenTransmission() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let first = try required(bench.end(proposal, .unknown).observation)
        let again = bench.send(.observed(first, .success(.empty)))
        #expect(again.transmitted?.id == proposal.id)
        #expect(bench.end(proposal, .noSpace).outcomes.isEmpty)
        let second = try required(bench.tick(afterMilliseconds: 20).observation)
        let after = bench.send(.observed(second, .success(.empty)))
        #expect(after.outcomes.isEmpty)
        #expect(after.transmitted?.id == proposal.id)
    }

    @Test("protocol.md 2: a refusal after a time-out settles the transmission, not the transaction")
    func refusalAfterTimeout() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        bench.send(.observed(read, .success(.empty)))
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        // Transmission 1 applied after all.
        let next = try required(bench.tick(afterMilliseconds: 20).observation)
        let seen = proposal.observed(at: 2)
        bench.send(.observed(next, .success(seen)))
        let block = try BlockDigest(first: proposal.first, bytes: proposal.block)
        let settled = bench.send(.blocksRead(.success([block])))
        #expect(settled.outcomes.map(\.number) == [1])
    }

    @Test(
        "protocol.md 2: a failed comparison alone settles nothing; the blocks show that it was our own"
    )
    func failedComparisonOfOwn() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a", "b"))
        let seen = proposal.observed(at: 2)
        let catching = bench.end(proposal, .superseded(seen))
        #expect(catching.outcomes.isEmpty)
        #expect(catching.readsBlocks)
        let block = try BlockDigest(first: proposal.first, bytes: proposal.block)
        let settled = bench.send(.blocksRead(.success([block])))
        #expect(settled.outcomes.map(\.number) == [1])
    }

    @Test(
        "protocol.md 2: an event that another replica sealed first is looked up by id, not sealed again"
    )
    func lostRaceLooksUp() throws {
        let bench = ReplicaBench.alone()
        let (seen, block) = try required(bench.foreign("a", revision: 2))
        // Sealed at another time, or it would be the very same entry.
        bench.pass(milliseconds: 5)
        let proposal = try required(bench.transact("a"))
        #expect(bench.end(proposal, .superseded(seen)).outcomes.isEmpty)
        let next = bench.send(.blocksRead(.success([block])))
        #expect(next.plan == nil)
        let looked = try required(next.lookUps.first)
        let entry = Entry(
            sequenceNumber: 1, event: ReplicaBench.event("a"), sealedTimestamp: 0,
            previousHash: .zero)
        let original = SealedEntry(entry: entry, eventHash: .zero)
        let answer = bench.lookedUp(looked, .found(original))
        #expect(answer.outcomes == [.duplicate(of: original)])
    }

    @Test("a lost race is built again on the head that the failure showed")
    func lostRaceIsRebuilt() throws {
        let bench = ReplicaBench.alone()
        let (seen, block) = try required(bench.foreign("other", revision: 2))
        let proposal = try required(bench.transact("a"))
        bench.end(proposal, .superseded(seen))
        let next = bench.send(.blocksRead(.success([block])))
        let rebuilt = try required(next.plan.flatMap { bench.propose($0) })
        #expect(rebuilt.first == 2)
        #expect(rebuilt.base.revision == Revision(rawValue: 2))
        let sealed = bench.apply(rebuilt, revision: 3)
        #expect(sealed.outcomes.map(\.number) == [2])
    }

    @Test("protocol.md 3: an id in the open transaction is never certainly rejected")
    func openIDIsUnknown() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        bench.end(proposal, .unknown)
        bench.tick(afterMilliseconds: 120)
        // The transaction is in doubt for longer than anyone waits: other ids are refused with certainty.
        #expect(bench.submit("b").effects.outcomes == [.notSealed(.storeUnavailable)])
        #expect(bench.submit("a").effects.outcomes == [.unknown])
    }

    @Test(
        "protocol.md 3: a second submission of an id in flight expires as unknown, another as not sealed"
    )
    func waitingForOpenID() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        #expect(bench.submit("a").effects.outcomes.isEmpty)
        #expect(bench.submit("b").effects.outcomes.isEmpty)
        bench.end(proposal, .unknown)
        let expired = bench.tick(afterMilliseconds: 51)
        #expect(Set(expired.outcomes) == [.unknown, .notSealed(.storeUnavailable)])
    }

    @Test("protocol.md 5: the fence is certain only for what was never sent")
    func fence() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let proposal = try required(bench.transact("a"))
        bench.submit("b")
        let effects = bench.end(proposal, .superseded(.empty))
        #expect(effects.isFencing)
        #expect(Set(effects.outcomes) == [.unknown, .notSealed(.rolledBack)])
        #expect(bench.submit("c").effects.outcomes == [.notSealed(.rolledBack)])
        #expect(bench.submit("a").effects.outcomes == [.unknown])
    }

    @Test("protocol.md 6: an event whose caller was answered never enters a new transaction")
    func abandonedEventsStop() throws {
        let bench = ReplicaBench.alone()
        let (seen, block) = try required(bench.foreign("other", revision: 2))
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        #expect(bench.tick(afterMilliseconds: 101).outcomes == [.unknown])
        bench.send(.observed(read, .success(seen)))
        let next = bench.send(.blocksRead(.success([block])))
        #expect(next.plan == nil)
        #expect(next.outcomes.isEmpty)
        #expect(bench.core.queuedEvents == 0)
    }

    /// Cancelled while its batch was hashed, it once came back in the next batch when that one was refused.
    @Test("protocol.md 6: an event that is cancelled while its batch is built enters no other one")
    func cancelledWhileBuilding() throws {
        let bench = ReplicaBench.alone()
        let gone = bench.submission("gone")
        let plan = try required(bench.send(.submitted(gone)).plan)
        let cancelled = bench.cancel(gone.token)
        #expect(cancelled.isEmpty)
        let sent = bench.send(.proposed(Proposal(plan)))
        #expect(sent.outcomes == [.unknown])
        let proposal = try required(sent.transmitted)
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        #expect(bench.core.queuedEvents == 0)
        #expect(bench.tick(afterMilliseconds: 30).plan == nil)
    }

    @Test("protocol.md 6: expiry is checked when the batch is built")
    func expiredEventsAreNotBuilt() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        bench.submit("b")
        bench.pass(milliseconds: 51)
        let effects = bench.apply(proposal, revision: 2)
        #expect(effects.plan == nil)
        #expect(effects.outcomes.contains(.notSealed(.deadlineExceeded)))
    }

    @Test("protocol.md 8: the same revision with another head is a ledger that was rolled back")
    func sameRevisionOtherHead() throws {
        let bench = ReplicaBench.alone()
        let (others, _) = try required(bench.foreign("theirs", revision: 5))
        bench.seal("ours", revision: 5)
        let known = try required(bench.core.state?.observation)
        let effects = bench.send(.noticed(others, knownBefore: known))
        #expect(effects.isFencing)
    }

    @Test("protocol.md 8: a failed comparison with the counter unchanged fences")
    func failureWithCounterUnchanged() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let known = try required(bench.core.state?.observation)
        let proposal = try required(bench.transact("a"))
        #expect(bench.end(proposal, .superseded(known)).isFencing)
    }

    @Test("protocol.md 8: a head that does not extend the known one fences")
    func divergedHead() throws {
        let bench = ReplicaBench.alone()
        let others = ReplicaBench.alone()
        others.seal("theirs", revision: 5)
        let (seen, _) = try required(others.foreign("more", revision: 6))
        let block = try required(others.foreign("more", revision: 6)?.1)
        bench.seal("ours", revision: 5)
        let proposal = try required(bench.transact("a"))
        bench.end(proposal, .superseded(seen))
        #expect(bench.send(.blocksRead(.success([block]))).isFencing)
    }

    @Test("protocol.md 9: blocks that do not lead to the observed head change nothing")
    func blocksMustLeadToHead() throws {
        let bench = ReplicaBench.alone()
        let (seen, _) = try required(bench.foreign("x", revision: 2))
        let (_, otherBlock) = try required(bench.foreign("y", revision: 2))
        let known = try required(bench.core.state?.observation)
        #expect(bench.send(.noticed(seen, knownBefore: known)).readsBlocks)
        bench.send(.blocksRead(.success([otherBlock])))
        #expect(bench.core.state?.head.sequence == .zero)
        #expect(bench.core.state?.index.count == 0)
    }

    @Test("protocol.md 9: counter and head that stay inconsistent fence; a damaged answer does not")
    func inconsistentHeadFences() throws {
        let bench = ReplicaBench.alone()
        bench.seal("a", revision: 2)
        let known = try required(bench.core.state?.observation)
        let damage = LedgerInconsistency.malformed("counter and head do not agree")
        for _ in 0..<2 {
            #expect(bench.send(.noticedMalformed(damage)).isEmpty)
        }
        bench.send(.noticed(known, knownBefore: known))
        for _ in 0..<2 {
            #expect(bench.send(.noticedMalformed(damage)).isEmpty)
        }
        #expect(bench.send(.noticedMalformed(damage)).isFencing)
    }

    @Test("protocol.md 15: at the contract's end counter and head are read through another member")
    func resolvingStartsAtTheContract() throws {
        let bench = ReplicaBench.alone()
        _ = try required(bench.transact("a"))
        #expect(bench.tick(afterMilliseconds: 49).observation == nil)
        let effects = bench.tick(afterMilliseconds: 1)
        #expect(effects.observation != nil)
    }

    @Test("an unchanged counter sends the identical transaction again, elsewhere")
    func sendsAgain() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.tick(afterMilliseconds: 50).observation)
        let effects = bench.send(.observed(read, .success(.empty)))
        #expect(effects.transmitted?.block == proposal.block)
        #expect(effects.transmitted?.headBytes == proposal.headBytes)
    }

    @Test("a transaction that certainly did not apply is built again, with its events in order")
    func refusedIsRetried() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        let plan = try required(bench.tick(afterMilliseconds: 2).plan)
        #expect(plan.submissions.count == 1)
        let again = try required(bench.propose(plan))
        #expect(bench.apply(again, revision: 2).outcomes.map(\.number) == [1])
    }

    @Test("an answer after 50 ms is sealed with its true latency")
    func lateButSealed() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        bench.tick(afterMilliseconds: 70)
        let outcome = bench.apply(proposal, revision: 2).outcomes.first
        guard case .sealed(_, let latency)? = outcome else {
            Issue.record("not sealed: \(String(describing: outcome))")
            return
        }
        #expect(latency.millisecondsRoundedUp == 70)
    }
}
