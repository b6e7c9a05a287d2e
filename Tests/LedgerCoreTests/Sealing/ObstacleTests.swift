import Testing

@testable import LedgerCore

/// What keeps events from being sealed is one answer, to submissions and to whoever asks how the replica is.
@Suite("Obstacles to sealing")
struct ObstacleTests {
    private func obstacle(_ bench: ReplicaBench) -> NotSealedReason? {
        bench.core.obstacle(at: bench.moment)
    }

    @Test("without a quorum a submission is told so, until counter and head can be read again")
    func noQuorum() throws {
        let bench = ReplicaBench.alone()
        bench.send(.headUnreadable(.noQuorum))
        #expect(obstacle(bench) == .noQuorum)
        #expect(bench.submit("a").effects.outcomes == [.notSealed(.noQuorum)])
        // No majority of the members tells its time either: that is no reason of its own.
        bench.wall = .unsampled
        #expect(bench.submit("b").effects.outcomes == [.notSealed(.noQuorum)])
        bench.wall = nil
        let known = try required(bench.core.state?.observation)
        bench.send(.noticed(.empty, knownBefore: known))
        #expect(obstacle(bench) == nil)
        #expect(bench.submit("c").effects.plan != nil)
    }

    @Test("what waits when the quorum is lost is rejected with certainty, not sent")
    func waitingWithoutQuorum() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        bench.submit("b")
        bench.send(.headUnreadable(.noQuorum))
        // Nothing of it left: it waits again.
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        let effects = bench.tick(afterMilliseconds: 2)
        #expect(effects.outcomes == [.notSealed(.noQuorum), .notSealed(.noQuorum)])
        #expect(effects.plan == nil)
    }

    @Test("while counter and head cannot be read nobody waits for an election")
    func noElectionWithoutQuorum() {
        let bench = ReplicaBench()
        #expect(bench.submit("a").effects.outcomes.isEmpty)
        bench.send(.headUnreadable(.noQuorum))
        #expect(bench.submit("b").effects.outcomes == [.notSealed(.noQuorum)])
    }

    @Test("a clock that disagrees and one that could not be compared are told apart")
    func clocks() {
        let bench = ReplicaBench.alone()
        bench.wall = .untrusted
        #expect(bench.submit("a").effects.outcomes == [.notSealed(.clockUntrusted)])
        bench.wall = .unsampled
        #expect(bench.submit("b").effects.outcomes == [.notSealed(.clockUnsampled)])
        #expect(obstacle(bench) == .clockUnsampled)
    }

    @Test("a member of a refused release stops sealing at any time, for as long as it is there")
    func refusedRelease() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("sent"))
        bench.submit("waiting")
        bench.send(.membersChecked(isFull: false, releaseIsRefused: true))
        #expect(obstacle(bench) == .releaseRefused)
        #expect(bench.submit("new").effects.outcomes == [.notSealed(.releaseRefused)])
        // What was sent is answered truly, and what waited goes no further.
        let effects = bench.apply(proposal, revision: 2)
        #expect(effects.outcomes.compactMap(\.number) == [1])
        #expect(effects.outcomes.contains(.notSealed(.releaseRefused)))
        #expect(effects.plan == nil)
        bench.send(.membersChecked(isFull: false, releaseIsRefused: false))
        #expect(obstacle(bench) == nil)
        #expect(bench.submit("later").effects.plan != nil)
    }

    @Test("with no space the replica knows it cannot seal, and each submission still tries")
    func noSpace() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .noSpace).observation)
        bench.send(.observed(read, .success(.empty)))
        #expect(obstacle(bench) == .storageFull)
        bench.pass(milliseconds: 5)
        let again = try required(bench.transact("b"))
        bench.apply(again, revision: 2)
        #expect(obstacle(bench) == nil)
    }

    @Test("that there is space again is known without a submission")
    func spaceAgain() {
        let bench = ReplicaBench.alone()
        bench.send(.membersChecked(isFull: true, releaseIsRefused: false))
        #expect(obstacle(bench) == .storageFull)
        bench.send(.membersChecked(isFull: nil, releaseIsRefused: false))
        #expect(obstacle(bench) == .storageFull)
        bench.send(.membersChecked(isFull: false, releaseIsRefused: false))
        #expect(obstacle(bench) == nil)
    }

    @Test("of the reserve nothing is sealed, and nobody tries: until there is room")
    func storageReserve() throws {
        let bench = ReplicaBench.alone()
        bench.send(.membersChecked(isFull: false, releaseIsRefused: false, roomBytes: 0))
        #expect(obstacle(bench) == .storageFull)
        let refused = bench.submit("a").effects
        #expect(refused.outcomes == [.notSealed(.storageFull)] && refused.plan == nil)
        // Nobody was asked: what is known stands.
        bench.send(.membersChecked(isFull: nil, releaseIsRefused: false))
        #expect(obstacle(bench) == .storageFull)
        bench.send(.membersChecked(isFull: false, releaseIsRefused: false, roomBytes: 1))
        #expect(obstacle(bench) == nil)
        #expect(bench.submit("b").effects.plan != nil)
    }

    @Test("what is sealed between two looks at the members counts against the room")
    func sealedBetweenLooks() throws {
        let bench = ReplicaBench.alone()
        bench.send(.membersChecked(isFull: false, releaseIsRefused: false, roomBytes: 8_000))
        let first = try required(bench.transact("a"))
        bench.apply(first, revision: 2)
        #expect(obstacle(bench) == nil)
        let second = try required(bench.transact("b"))
        bench.apply(second, revision: 3)
        #expect(obstacle(bench) == .storageFull)
        #expect(bench.submit("c").effects.outcomes == [.notSealed(.storageFull)])
    }

    @Test("what finds no connection is certainly not sealed: overloaded, and the next one tries")
    func fullPool() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let outcomes = bench.end(proposal, .busy).outcomes
        #expect(outcomes == [.notSealed(.overloaded(retryAfter: SealingSettings.busyDelay))])
        bench.pass(milliseconds: 5)
        #expect(try required(bench.transact("b")).id != proposal.id)
    }

    @Test("a second transmission without a connection settles nothing while the first is open")
    func fullPoolInDoubt() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        #expect(bench.send(.observed(read, .success(.empty))).transmitted?.id == proposal.id)
        #expect(bench.end(proposal, .busy).outcomes.isEmpty)
    }

    @Test("formats.md: another format in a failed comparison stops sealing at once, with certainty")
    func unknownFormat() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let proposal = try required(bench.transact("a"))
        bench.submit("b")
        let effects = bench.end(proposal, .unknownFormat("3"))
        #expect(effects.isFencing)
        #expect(effects.outcomes == [.notSealed(.unknownFormat), .notSealed(.unknownFormat)])
        #expect(obstacle(bench) == .unknownFormat)
        #expect(bench.submit("c").effects.outcomes == [.notSealed(.unknownFormat)])
    }

    @Test("formats.md: while another transmission is open, another format leaves the event unknown")
    func unknownFormatInDoubt() throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        let known = try required(bench.core.state?.observation)
        let proposal = try required(bench.transact("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        #expect(bench.send(.observed(read, .success(known))).transmitted != nil)
        let effects = bench.end(proposal, .unknownFormat("3"))
        #expect(effects.isFencing)
        #expect(effects.outcomes == [.unknown])
        #expect(bench.submit("a").effects.outcomes == [.unknown])
        #expect(bench.submit("b").effects.outcomes == [.notSealed(.unknownFormat)])
    }

    @Test(
        "formats.md: another format that was read stops sealing, in every phase",
        arguments: [false, true])
    func readFormat(isOpen: Bool) throws {
        let bench = ReplicaBench.alone()
        bench.seal("first", revision: 5)
        if isOpen { _ = try required(bench.transact("a")) }
        let effects = bench.send(.contradicted(.unknownFormat("3")))
        #expect(effects.isFencing)
        #expect(effects.outcomes == (isOpen ? [.unknown] : []))
        let again = bench.send(.contradicted(.unknownFormat("3")))
        #expect(again.isEmpty)
        guard case .unknownFormat("3")? = bench.core.fence else {
            Issue.record("fenced by \(String(describing: bench.core.fence))")
            return
        }
    }
}
