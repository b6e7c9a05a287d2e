import Testing

@testable import LedgerCore

/// The ledger's format goes from 1 to 2 while a replica runs: with the first trim (formats.md, "Keys in etcd").
@Suite("A change of the ledger's format")
struct FormatChangeTests {
    /// What the store shows after the change.
    private func changed(_ known: LedgerObservation) -> LedgerObservation {
        LedgerObservation(
            revision: known.revision, head: known.head, headBytes: known.headBytes, format: .two)
    }

    private func known(_ bench: ReplicaBench) throws -> LedgerObservation {
        try required(bench.core.state?.observation)
    }

    @Test("formats have the values that etcd holds, and others are not known")
    func values() {
        #expect(LedgerFormat.one.value == Array("1".utf8))
        #expect(LedgerFormat.two.value == Array("2".utf8))
        #expect(LedgerFormat.one < .two)
        for format in LedgerFormat.allCases { #expect(LedgerFormat(value: format.value) == format) }
        for other in ["", "0", "3", "01", "1 ", "12", "one"] {
            #expect(LedgerFormat(value: Array(other.utf8)) == nil)
        }
    }

    @Test("an idle replica adopts it, and its next transaction compares it")
    func idle() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let known = try known(bench)
        #expect(bench.send(.noticed(changed(known), knownBefore: known)).isEmpty)
        let proposal = try required(bench.transact("a"))
        #expect(proposal.base.format == .two)
        bench.apply(proposal, revision: 7)
        #expect(try self.known(bench).format == .two)
    }

    @Test("a transaction that it overtook is built again, and nobody is told of it")
    func inFlight() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let proposal = try required(bench.transact("a", "b"))
        #expect(proposal.base.format == .one)
        bench.submit("c")
        let effects = bench.end(proposal, .superseded(changed(try known(bench))))
        #expect(effects.outcomes.isEmpty)
        #expect(!effects.isFencing)
        let again = try required(effects.plan.flatMap { bench.propose($0) })
        #expect(again.base.format == .two)
        #expect(again.base.revision == Revision(rawValue: 5))
        #expect(bench.apply(again, revision: 7).outcomes.map(\.number) == [2, 3, 4])
    }

    @Test("what was built before it was seen is sent, and its own comparison tells")
    func whileBuilding() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let known = try known(bench)
        let plan = try required(bench.submit("a").effects.plan)
        #expect(bench.send(.noticed(changed(known), knownBefore: known)).isEmpty)
        let proposal = try required(bench.propose(plan))
        #expect(proposal.base.format == .one)
        let again = try required(bench.end(proposal, .superseded(changed(known))).plan)
        #expect(again.base.format == .two)
    }

    @Test(
        "a transaction in doubt is certainly not applied once the format has changed and the counter has not"
    )
    func inDoubt() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let known = try known(bench)
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        let effects = bench.send(.observed(read, .success(changed(known))))
        #expect(effects.outcomes.isEmpty)
        let again = try required(effects.plan.flatMap { bench.propose($0) })
        #expect(again.base.format == .two)
        // What the first transmission's end says, late, means nothing any more.
        #expect(bench.end(proposal, .superseded(changed(known))).isEmpty)
        #expect(bench.apply(again, revision: 7).outcomes.map(\.number) == [2])
    }

    @Test("a transaction in doubt whose caller was answered is not built again")
    func inDoubtAnswered() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let known = try known(bench)
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        bench.pass(milliseconds: 120)
        #expect(bench.send(.tick).outcomes == [.unknown])
        #expect(bench.send(.observed(read, .success(changed(known)))).plan == nil)
        #expect(bench.submit("a").effects.plan?.base.format == .two)
    }

    @Test("one that was applied before the change is found in the blocks")
    func appliedBefore() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let proposal = try required(bench.transact("a"))
        let seen = changed(proposal.observed(at: 6))
        #expect(bench.end(proposal, .superseded(seen)).readsBlocks)
        let block = try BlockDigest(first: proposal.first, bytes: proposal.block)
        #expect(bench.send(.blocksRead(.success([block]))).outcomes.map(\.number) == [2])
        #expect(try known(bench).format == .two)
    }

    @Test("a follower adopts it together with what others have sealed")
    func following() throws {
        let (bench, _) = try ReplicaBench.following()
        let (seen, block) = try required(bench.foreign("theirs", revision: 5))
        let known = try known(bench)
        #expect(bench.send(.noticed(changed(seen), knownBefore: known)).readsBlocks)
        bench.send(.blocksRead(.success([block])))
        #expect(try self.known(bench).format == .two)
    }

    @Test("an answer from before the change that comes after it is nothing new")
    func late() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let before = try known(bench)
        bench.send(.noticed(changed(before), knownBefore: before))
        #expect(bench.send(.noticed(before, knownBefore: before)).isEmpty)
        #expect(try known(bench).format == .two)
    }

    @Test("protocol.md 8: a store whose format has gone back was restored: it fences")
    func goneBack() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let before = try known(bench)
        bench.send(.noticed(changed(before), knownBefore: before))
        #expect(bench.send(.noticed(before, knownBefore: try known(bench))).isFencing)

        let other = ReplicaBench.alone()
        other.seal("first", revision: 5)
        let known = try known(other)
        other.send(.noticed(changed(known), knownBefore: known))
        let proposal = try required(other.transact("a"))
        #expect(other.end(proposal, .superseded(known)).isFencing)
    }

    @Test("protocol.md 8: a failure with counter and format unchanged still fences")
    func unchanged() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let known = try known(bench)
        bench.send(.noticed(changed(known), knownBefore: known))
        let proposal = try required(bench.transact("a"))
        #expect(bench.end(proposal, .superseded(changed(known))).isFencing)
    }

    @Test("protocol.md 8: and so does another head under the same counter, whatever the format")
    func otherHead() throws {
        let bench = ReplicaBench.alone()
        let (others, _) = try required(bench.foreign("theirs", revision: 5))
        bench.seal("ours", revision: 5)
        let proposal = try required(bench.transact("a"))
        #expect(bench.end(proposal, .superseded(changed(others))).isFencing)
    }
}
