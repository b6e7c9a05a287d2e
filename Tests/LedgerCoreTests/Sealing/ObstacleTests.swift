import Testing

@testable import LedgerCore

/// What keeps events from being sealed is one answer, to submissions and to whoever asks how the replica is.
@Suite("Obstacles to sealing")
struct ObstacleTests {
    private func obstacle(_ bench: MachineBench) -> NotSealedReason? {
        bench.machine.obstacle(at: bench.moment)
    }

    @Test("without a quorum a submission is told so, until counter and head can be read again")
    func noQuorum() throws {
        var bench = MachineBench()
        _ = bench.machine.headIsUnreadable(.noQuorum, at: bench.moment)
        #expect(obstacle(bench) == .noQuorum)
        #expect(bench.submit("a").outcomes == [.notSealed(.noQuorum)])
        // No majority of the members tells its time either: that is no reason of its own.
        bench.wall = .unsampled
        #expect(bench.submit("b").outcomes == [.notSealed(.noQuorum)])
        bench.wall = nil
        let known = try required(bench.machine.state?.observation)
        _ = bench.machine.noticed(.empty, knownBefore: known, at: bench.moment)
        #expect(obstacle(bench) == nil)
        #expect(bench.submit("c").plan != nil)
    }

    @Test("what waits when the quorum is lost is rejected with certainty, not sent")
    func waitingWithoutQuorum() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        _ = bench.submit("b")
        _ = bench.machine.headIsUnreadable(.noQuorum, at: bench.moment)
        // Nothing of it left: it waits again.
        #expect(bench.end(proposal, .refused).outcomes.isEmpty)
        let actions = bench.tick(afterMilliseconds: 2)
        #expect(actions.outcomes == [.notSealed(.noQuorum), .notSealed(.noQuorum)])
        #expect(actions.plan == nil)
    }

    @Test("a clock that disagrees and one that could not be compared are told apart")
    func clocks() {
        var bench = MachineBench()
        bench.wall = .untrusted
        #expect(bench.submit("a").outcomes == [.notSealed(.clockUntrusted)])
        bench.wall = .unsampled
        #expect(bench.submit("b").outcomes == [.notSealed(.clockUnsampled)])
        #expect(obstacle(bench) == .clockUnsampled)
    }

    @Test("a member of a refused release stops sealing at any time, for as long as it is there")
    func refusedRelease() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("sent"))
        _ = bench.submit("waiting")
        _ = bench.machine.membersChecked(
            isFull: false, releaseIsRefused: true, at: bench.moment)
        #expect(obstacle(bench) == .releaseRefused)
        #expect(bench.submit("new").outcomes == [.notSealed(.releaseRefused)])
        // What was sent is answered truly, and what waited goes no further.
        let actions = bench.end(proposal, .applied(Revision(rawValue: 2)))
        #expect(actions.outcomes.compactMap(\.number) == [1])
        #expect(actions.outcomes.contains(.notSealed(.releaseRefused)))
        #expect(actions.plan == nil)
        _ = bench.machine.membersChecked(
            isFull: false, releaseIsRefused: false, at: bench.moment)
        #expect(obstacle(bench) == nil)
        #expect(bench.submit("later").plan != nil)
    }

    @Test("with no space the replica knows it cannot seal, and each submission still tries")
    func noSpace() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        let read = try required(bench.end(proposal, .noSpace).observation)
        _ = bench.machine.observed(read, .success(.empty), at: bench.moment)
        #expect(obstacle(bench) == .storageFull)
        bench.pass(milliseconds: 5)
        let again = try required(bench.send("b"))
        _ = bench.end(again, .applied(Revision(rawValue: 2)))
        #expect(obstacle(bench) == nil)
    }

    @Test("that there is space again is known without a submission")
    func spaceAgain() {
        var bench = MachineBench()
        _ = bench.machine.membersChecked(isFull: true, releaseIsRefused: false, at: bench.moment)
        #expect(obstacle(bench) == .storageFull)
        _ = bench.machine.membersChecked(isFull: nil, releaseIsRefused: false, at: bench.moment)
        #expect(obstacle(bench) == .storageFull)
        _ = bench.machine.membersChecked(isFull: false, releaseIsRefused: false, at: bench.moment)
        #expect(obstacle(bench) == nil)
    }

    @Test("FORMATS: another format in a failed comparison stops sealing at once, with certainty")
    func unknownFormat() throws {
        var bench = MachineBench()
        bench.seal("first", revision: 5)
        let proposal = try required(bench.send("a"))
        _ = bench.submit("b")
        let actions = bench.end(proposal, .unknownFormat("3"))
        #expect(actions.isFencing)
        #expect(actions.outcomes == [.notSealed(.unknownFormat), .notSealed(.unknownFormat)])
        #expect(obstacle(bench) == .unknownFormat)
        #expect(bench.submit("c").outcomes == [.notSealed(.unknownFormat)])
    }

    @Test("FORMATS: while another transmission is open, another format leaves the event unknown")
    func unknownFormatInDoubt() throws {
        var bench = MachineBench()
        bench.seal("first", revision: 5)
        let known = try required(bench.machine.state?.observation)
        let proposal = try required(bench.send("a"))
        let read = try required(bench.end(proposal, .unknown).observation)
        #expect(bench.machine.observed(read, .success(known), at: bench.moment).transmitted != nil)
        let actions = bench.end(proposal, .unknownFormat("3"))
        #expect(actions.isFencing)
        #expect(actions.outcomes == [.unknown])
        #expect(bench.submit("a").outcomes == [.unknown])
        #expect(bench.submit("b").outcomes == [.notSealed(.unknownFormat)])
    }

    @Test(
        "FORMATS: another format that was read stops sealing, in every phase",
        arguments: [false, true])
    func readFormat(isOpen: Bool) throws {
        var bench = MachineBench()
        bench.seal("first", revision: 5)
        if isOpen { _ = try required(bench.send("a")) }
        let actions = bench.machine.foundFormat("3")
        #expect(actions.isFencing)
        #expect(actions.outcomes == (isOpen ? [.unknown] : []))
        let again = bench.machine.foundFormat("3")
        #expect(again.isEmpty)
        guard case .unknownFormat("3")? = bench.machine.fence else {
            Issue.record("fenced by \(String(describing: bench.machine.fence))")
            return
        }
    }
}
