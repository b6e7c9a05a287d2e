import Testing

@testable import LedgerCore

@Suite("Resolving a transaction")
struct ResolvingTests {
    @Test(
        "PROTOCOL 1: after \"no space\" nothing is said before a later read shows the counter unchanged"
    )
    func noSpaceIsUnknown() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        let actions = bench.end(proposal, .noSpace)
        #expect(actions.outcomes.isEmpty)
        let read = try required(actions.observation)
        let settled = bench.machine.observed(read, .success(.empty), at: bench.moment)
        #expect(settled.outcomes == [.notSealed(.storageFull)])
    }

    @Test("PROTOCOL 1: after \"no space\" an event that was applied all the same is sealed")
    func noSpaceCanMeanApplied() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        let read = try required(bench.end(proposal, .noSpace).observation)
        let seen = LedgerObservation(
            revision: Revision(rawValue: 2), head: proposal.head, headBytes: proposal.headBytes)
        let catching = bench.machine.observed(read, .success(seen), at: bench.moment)
        #expect(catching.readsBlocks)
        let block = try BlockDigest(first: proposal.first, bytes: proposal.block)
        let settled = bench.machine.blocksRead(.success([block]), at: bench.moment)
        #expect(settled.outcomes.map(\.number) == [1])
    }

    @Test(
        "PROTOCOL 1: with another transmission open, an unchanged counter does not settle \"no space\""
    )
    func noSpaceWithOpenTransmission() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        let first = try required(bench.end(proposal, .unknown).observation)
        let again = bench.machine.observed(first, .success(.empty), at: bench.moment)
        #expect(again.transmitted?.id == proposal.id)
        #expect(bench.end(proposal, .noSpace).outcomes.isEmpty)
        let second = try required(bench.tick(afterMilliseconds: 20).observation)
        let after = bench.machine.observed(second, .success(.empty), at: bench.moment)
        #expect(after.outcomes.isEmpty)
        #expect(after.transmitted?.id == proposal.id)
    }

    @Test("PROTOCOL 2: a refusal after a time-out settles the transmission, not the transaction")
    func refusalAfterTimeout() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        _ = bench.machine.observed(read, .success(.empty), at: bench.moment)
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        // Transmission 1 applied after all.
        let next = try required(bench.tick(afterMilliseconds: 20).observation)
        let seen = LedgerObservation(
            revision: Revision(rawValue: 2), head: proposal.head, headBytes: proposal.headBytes)
        _ = bench.machine.observed(next, .success(seen), at: bench.moment)
        let block = try BlockDigest(first: proposal.first, bytes: proposal.block)
        let settled = bench.machine.blocksRead(.success([block]), at: bench.moment)
        #expect(settled.outcomes.map(\.number) == [1])
    }

    @Test(
        "PROTOCOL 2: a failed comparison alone settles nothing; the blocks show that it was our own"
    )
    func failedComparisonOfOwn() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a", "b"))
        let seen = LedgerObservation(
            revision: Revision(rawValue: 2), head: proposal.head, headBytes: proposal.headBytes)
        let catching = bench.end(proposal, .superseded(seen))
        #expect(catching.outcomes.isEmpty)
        #expect(catching.readsBlocks)
        let block = try BlockDigest(first: proposal.first, bytes: proposal.block)
        let settled = bench.machine.blocksRead(.success([block]), at: bench.moment)
        #expect(settled.outcomes.map(\.number) == [1])
    }

    @Test(
        "PROTOCOL 2: an event that another replica sealed first is looked up by id, not sealed again"
    )
    func lostRaceLooksUp() throws {
        var bench = MachineBench()
        let (seen, block) = try required(bench.foreign("a", revision: 2))
        // Sealed at another time, or it would be the very same entry.
        bench.pass(milliseconds: 5)
        let proposal = try required(bench.send("a"))
        #expect(bench.end(proposal, .superseded(seen)).outcomes.isEmpty)
        let next = bench.machine.blocksRead(.success([block]), at: bench.moment)
        #expect(next.plan == nil)
        let looked = try required(next.lookUps.first)
        let entry = Entry(
            sequenceNumber: 1, event: MachineBench.event("a"), sealedTimestamp: 0,
            previousHash: .zero)
        let original = SealedEntry(entry: entry, eventHash: .zero)
        let answer = bench.lookedUp(looked, .found(original))
        #expect(answer.outcomes == [.duplicate(of: original)])
    }

    @Test("a lost race is built again on the head that the failure showed")
    func lostRaceIsRebuilt() throws {
        var bench = MachineBench()
        let (seen, block) = try required(bench.foreign("other", revision: 2))
        let proposal = try required(bench.send("a"))
        _ = bench.end(proposal, .superseded(seen))
        let next = bench.machine.blocksRead(.success([block]), at: bench.moment)
        let rebuilt = try required(next.plan.flatMap { bench.propose($0) })
        #expect(rebuilt.first == 2)
        #expect(rebuilt.base.revision == Revision(rawValue: 2))
        let sealed = bench.end(rebuilt, .applied(Revision(rawValue: 3)))
        #expect(sealed.outcomes.map(\.number) == [2])
    }

    @Test("PROTOCOL 3: an id in the open transaction is never certainly rejected")
    func openIDIsUnknown() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        _ = bench.end(proposal, .unknown)
        _ = bench.tick(afterMilliseconds: 120)
        // The transaction is in doubt for longer than anyone waits: other ids are refused with certainty.
        #expect(bench.submit("b").outcomes == [.notSealed(.storeUnavailable)])
        #expect(bench.submit("a").outcomes == [.unknown])
    }

    @Test(
        "PROTOCOL 3: a second submission of an id in flight expires as unknown, another as not sealed"
    )
    func waitingForOpenID() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        #expect(bench.submit("a").outcomes.isEmpty)
        #expect(bench.submit("b").outcomes.isEmpty)
        _ = bench.end(proposal, .unknown)
        let expired = bench.tick(afterMilliseconds: 51)
        #expect(Set(expired.outcomes) == [.unknown, .notSealed(.storeUnavailable)])
    }

    @Test("PROTOCOL 5: the fence is certain only for what was never sent")
    func fence() throws {
        var bench = MachineBench()
        bench.seal("first", revision: 5)
        let proposal = try required(bench.send("a"))
        _ = bench.submit("b")
        let actions = bench.end(proposal, .superseded(.empty))
        #expect(actions.isFencing)
        #expect(Set(actions.outcomes) == [.unknown, .notSealed(.rolledBack)])
        #expect(bench.submit("c").outcomes == [.notSealed(.rolledBack)])
        #expect(bench.submit("a").outcomes == [.unknown])
    }

    @Test("PROTOCOL 6: an event whose caller was answered never enters a new transaction")
    func abandonedEventsStop() throws {
        var bench = MachineBench()
        let (seen, block) = try required(bench.foreign("other", revision: 2))
        let proposal = try required(bench.send("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        #expect(bench.tick(afterMilliseconds: 101).outcomes == [.unknown])
        _ = bench.machine.observed(read, .success(seen), at: bench.moment)
        let next = bench.machine.blocksRead(.success([block]), at: bench.moment)
        #expect(next.plan == nil)
        #expect(next.outcomes.isEmpty)
        #expect(bench.machine.queuedEvents == 0)
    }

    /// Cancelled while its batch was hashed, it once came back in the next batch when that one was refused.
    @Test("PROTOCOL 6: an event that is cancelled while its batch is built enters no other one")
    func cancelledWhileBuilding() throws {
        var bench = MachineBench()
        let gone = bench.submission("gone")
        let plan = try required(bench.machine.submit(gone, at: bench.moment).plan)
        let cancelled = bench.machine.cancel(gone.token)
        #expect(cancelled.isEmpty)
        let sent = bench.machine.proposed(Proposal(plan), at: bench.moment)
        #expect(sent.outcomes == [.unknown])
        let proposal = try required(sent.transmitted)
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        #expect(bench.machine.queuedEvents == 0)
        #expect(bench.tick(afterMilliseconds: 30).plan == nil)
    }

    @Test("PROTOCOL 6: expiry is checked when the batch is built")
    func expiredEventsAreNotBuilt() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        _ = bench.submit("b")
        bench.pass(milliseconds: 51)
        let actions = bench.end(proposal, .applied(Revision(rawValue: 2)))
        #expect(actions.plan == nil)
        #expect(actions.outcomes.contains(.notSealed(.deadlineExceeded)))
    }

    @Test("PROTOCOL 8: the same revision with another head is a ledger that was rolled back")
    func sameRevisionOtherHead() throws {
        var bench = MachineBench()
        let (others, _) = try required(bench.foreign("theirs", revision: 5))
        bench.seal("ours", revision: 5)
        let known = try required(bench.machine.state?.observation)
        let actions = bench.machine.noticed(others, knownBefore: known, at: bench.moment)
        #expect(actions.isFencing)
    }

    @Test("PROTOCOL 8: a failed comparison with the counter unchanged fences")
    func failureWithCounterUnchanged() throws {
        var bench = MachineBench()
        bench.seal("first", revision: 5)
        let known = try required(bench.machine.state?.observation)
        let proposal = try required(bench.send("a"))
        #expect(bench.end(proposal, .superseded(known)).isFencing)
    }

    @Test("PROTOCOL 8: a head that does not extend the known one fences")
    func divergedHead() throws {
        var bench = MachineBench()
        var others = bench
        others.seal("theirs", revision: 5)
        let (seen, _) = try required(others.foreign("more", revision: 6))
        let block = try required(others.foreign("more", revision: 6)?.1)
        bench.seal("ours", revision: 5)
        let proposal = try required(bench.send("a"))
        _ = bench.end(proposal, .superseded(seen))
        #expect(bench.machine.blocksRead(.success([block]), at: bench.moment).isFencing)
    }

    @Test("PROTOCOL 9: blocks that do not lead to the observed head change nothing")
    func blocksMustLeadToHead() throws {
        var bench = MachineBench()
        let (seen, _) = try required(bench.foreign("x", revision: 2))
        let (_, otherBlock) = try required(bench.foreign("y", revision: 2))
        let known = try required(bench.machine.state?.observation)
        #expect(bench.machine.noticed(seen, knownBefore: known, at: bench.moment).readsBlocks)
        _ = bench.machine.blocksRead(.success([otherBlock]), at: bench.moment)
        #expect(bench.machine.state?.head.sequence == .zero)
        #expect(bench.machine.state?.index.count == 0)
    }

    @Test("PROTOCOL 9: counter and head that stay inconsistent fence; a damaged answer does not")
    func inconsistentHeadFences() throws {
        var bench = MachineBench()
        bench.seal("a", revision: 2)
        let known = try required(bench.machine.state?.observation)
        let damage = LedgerInconsistency.malformed("counter and head do not agree")
        for _ in 0..<2 {
            #expect(bench.machine.noticedMalformed(damage, at: bench.moment).isEmpty)
        }
        _ = bench.machine.noticed(known, knownBefore: known, at: bench.moment)
        for _ in 0..<2 {
            #expect(bench.machine.noticedMalformed(damage, at: bench.moment).isEmpty)
        }
        #expect(bench.machine.noticedMalformed(damage, at: bench.moment).isFencing)
    }

    @Test("PROTOCOL 15: at the contract's end counter and head are read through another member")
    func resolvingStartsAtTheContract() throws {
        var bench = MachineBench()
        _ = try required(bench.send("a"))
        #expect(bench.tick(afterMilliseconds: 49).observation == nil)
        let actions = bench.tick(afterMilliseconds: 1)
        #expect(actions.observation != nil)
        #expect(actions.observation != nil)
    }

    @Test("an unchanged counter sends the identical transaction again, elsewhere")
    func sendsAgain() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        let read = try required(bench.tick(afterMilliseconds: 50).observation)
        let actions = bench.machine.observed(read, .success(.empty), at: bench.moment)
        #expect(actions.transmitted?.block == proposal.block)
        #expect(actions.transmitted?.headBytes == proposal.headBytes)
    }

    @Test("a transaction that certainly did not apply is built again, with its events in order")
    func refusedIsRetried() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        let plan = try required(bench.tick(afterMilliseconds: 2).plan)
        #expect(plan.submissions.count == 1)
        let again = try required(bench.propose(plan))
        #expect(bench.end(again, .applied(Revision(rawValue: 2))).outcomes.map(\.number) == [1])
    }

    @Test("an answer after 50 ms is sealed with its true latency")
    func lateButSealed() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        _ = bench.tick(afterMilliseconds: 70)
        let outcome = bench.end(proposal, .applied(Revision(rawValue: 2))).outcomes.first
        guard case .sealed(_, let latency)? = outcome else {
            Issue.record("not sealed: \(String(describing: outcome))")
            return
        }
        #expect(latency.millisecondsRoundedUp == 70)
    }
}
