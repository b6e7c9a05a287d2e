import Testing

@testable import LedgerCore

@Suite("Electing the replica that seals")
struct ElectionTests {
    @Test("a replica reads the hint as soon as it can seal and be reached, in either order")
    func beginning() {
        let early = ReplicaBench.alone()
        #expect(early.core.part == "idle")
        #expect(early.send(.joined(as: ReplicaBench.me)).readsHint)
        let late = ReplicaBench(state: nil)
        #expect(late.core.part == "idle")
        #expect(late.send(.loaded(LedgerState(indexSeed: 7))).readsHint)
    }

    @Test("without an address everything is sealed here, and no hint is touched")
    func alone() throws {
        let bench = ReplicaBench.alone()
        #expect(bench.notice(ReplicaBench.other, revision: 5).isEmpty)
        #expect(bench.core.nextWake == nil)
        let (token, effects) = bench.submit("a", stream: 1)
        #expect(effects.batch == [token])
        let proposal = try required(effects.plan.flatMap { bench.propose($0) })
        #expect(bench.apply(proposal, revision: 2).answered == [token])
        #expect(bench.run(milliseconds: 1_000).isEmpty)
        #expect(bench.core.nextWake == nil)
        #expect(bench.core.part == "idle")
    }

    @Test("a free hint is taken, and kept alive while it is held")
    func free() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        #expect(take.hintRevision == 0)
        #expect(take.counter == nil)
        bench.pass(milliseconds: 4)
        let effects = bench.taken(take, lease: 77)
        #expect(effects.reports == [.becameSealer(after: .milliseconds(4))])
        #expect(bench.core.isSealer)
        #expect(bench.core.takesForwards)
        // Reckoned from when the attempt began.
        #expect(bench.tick(afterMilliseconds: 995).renewed == nil)
        #expect(bench.tick(afterMilliseconds: 1).renewed == 77)
        #expect(bench.tick(afterMilliseconds: 500).renewed == nil)
        let asked = bench.now
        bench.send(.keptAlive(lease: 77, .renewed, asked: asked))
        #expect(bench.tick(afterMilliseconds: 999).renewed == nil)
        #expect(bench.tick(afterMilliseconds: 1).renewed == 77)
    }

    @Test("a keep-alive that failed is repeated soon, and one that finds no lease ends the tenure")
    func keepAliveFails() throws {
        let bench = try ReplicaBench.sealing()
        #expect(bench.tick(afterMilliseconds: 1_000).renewed == 1)
        let asked = bench.now
        bench.send(.keptAlive(lease: 1, .unknown, asked: asked))
        #expect(bench.tick(afterMilliseconds: 300).renewed == 1)
        let effects = bench.send(.keptAlive(lease: 1, .expired, asked: asked))
        #expect(effects.readsHint)
        #expect(bench.core.part == "seeking")
        #expect(!bench.core.takesForwards)
    }

    @Test("who slept through the lease's end is not the sealer any more")
    func slept() throws {
        let bench = try ReplicaBench.sealing()
        let effects = bench.tick(afterMilliseconds: 3_000)
        #expect(effects.readsHint)
        #expect(effects.renewed == nil)
        #expect(!bench.core.isSealer)
        // A renewal that is answered now comes too late.
        let asked = bench.now
        bench.send(.keptAlive(lease: 1, .renewed, asked: asked))
        #expect(!bench.core.isSealer)
    }

    @Test("protocol.md 18: the hint of a sealer that died is taken once its lease has ended")
    func expired() throws {
        let (bench, link) = try ReplicaBench.following()
        let effects = bench.notice(nil)
        #expect(effects.disconnected == [link])
        let take = try required(effects.take)
        #expect(take.hintRevision == 0)
        bench.taken(take, lease: 3)
        #expect(bench.core.isSealer)
    }

    @Test("a hint that is none is taken at once, whatever it says")
    func malformed() throws {
        let bench = ReplicaBench()
        bench.notice(nil, revision: 30)
        let take = try required(bench.read(nil, revision: 30).take)
        #expect(take.hintRevision == 30)
        #expect(take.counter == nil)
        bench.taken(take, lease: 2)
        #expect(bench.core.isSealer)
    }

    @Test("a sealer whose hint is overwritten with nonsense takes it back")
    func overwritten() throws {
        let bench = try ReplicaBench.sealing()
        #expect(bench.notice(nil, revision: 300).readsHint)
        #expect(bench.read(nil, revision: 300).take?.hintRevision == 300)
    }

    @Test("protocol.md 18: who lost the race follows the winner, and waits a TTL")
    func lostRace() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        let effects = bench.lost(take, to: ReplicaBench.other, revision: 60)
        #expect(effects.connectedTo == ReplicaBench.other)
        let link = try required(effects.connected)
        // The winner refuses: before a lease's time is over it is not deposed.
        #expect(bench.linkDown(link).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 60).take == nil)
        #expect(bench.core.part == "direct")
    }

    @Test("who heard of the winner before the end of its own attempt follows it all the same")
    func lostRaceHeardBefore() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        #expect(bench.notice(ReplicaBench.other, revision: 60).isEmpty)
        let effects = bench.lost(take, to: ReplicaBench.other, revision: 60)
        #expect(effects.connectedTo == ReplicaBench.other)
    }

    @Test("an attempt whose fate is unknown is resolved by reading: the own hint stands")
    func unknownTakeApplied() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        bench.send(.takeEnded(take, .unknown))
        #expect(bench.core.part == "seeking")
        #expect(bench.run(milliseconds: 20).readsHint)
        bench.read(ReplicaBench.me, revision: 60, lease: 4)
        #expect(bench.core.isSealer)
        // Nobody knows how old that lease is.
        #expect(bench.tick().renewed == 4)
    }

    @Test("an attempt whose fate is unknown is repeated where the hint is still free")
    func unknownTakeLost() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        bench.send(.takeEnded(take, .unknown))
        #expect(bench.run(milliseconds: 20).readsHint)
        let next = try required(bench.read(nil).take)
        #expect(next != take)
        // The first one's request arrives at last, and its hint is the one that stands.
        bench.notice(ReplicaBench.me, revision: 70, lease: 4)
        #expect(bench.core.isSealer)
        let effects = bench.lost(next, to: ReplicaBench.me, revision: 70, lease: 4)
        #expect(effects.isEmpty)
        #expect(bench.core.isSealer)
    }

    @Test("the end of an attempt that was given up still counts where the hint stands")
    func lateTake() throws {
        let bench = ReplicaBench()
        let first = try required(bench.read(nil).take)
        bench.send(.takeEnded(first, .unknown))
        bench.run(milliseconds: 20)
        _ = try required(bench.read(nil).take)
        bench.taken(first, lease: 4)
        #expect(bench.core.isSealer)
    }

    @Test("an attempt that succeeded and was undone before its answer came makes no sealer")
    func takenAndDeposed() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        let own = bench.reading(ReplicaBench.me, revision: 60, lease: 4)
        bench.notice(ReplicaBench.other, revision: 61)
        bench.send(.takeEnded(take, .taken(lease: 4, own)))
        #expect(!bench.core.isSealer)
        #expect(bench.run(milliseconds: 20).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 61).connectedTo == ReplicaBench.other)
    }

    @Test("while etcd does not answer the hint is read again and again, with growing pauses")
    func unavailable() {
        let bench = ReplicaBench()
        var pauses: [Int64] = []
        for _ in 0..<8 {
            bench.send(.hintRead(.unavailable))
            let before = bench.now
            let wake = bench.core.nextWake
            #expect(wake != nil)
            bench.pass(milliseconds: ((wake ?? before) - before).count / 1_000_000)
            #expect(bench.tick().readsHint)
            pauses.append((bench.now - before).count / 1_000_000)
        }
        #expect(pauses == [20, 40, 80, 160, 320, 500, 500, 500])
    }

    @Test("protocol.md 18: a sealer that is deposed follows the new one, and waits a TTL")
    func deposed() throws {
        let bench = try ReplicaBench.sealing()
        let effects = bench.notice(ReplicaBench.other, revision: 300)
        #expect(effects.reports.first == .deposed)
        #expect(effects.connectedTo == ReplicaBench.other)
        #expect(!bench.core.takesForwards)
        let link = try required(effects.connected)
        bench.pass(milliseconds: 2_999)
        bench.linkDown(link)
        #expect(bench.read(ReplicaBench.other, revision: 300).take == nil)
        #expect(bench.core.part == "direct")
    }

    @Test("after a TTL a deposed sealer may depose in turn")
    func deposingAfterTTL() throws {
        let bench = try ReplicaBench.sealing()
        let link = try required(bench.notice(ReplicaBench.other, revision: 300).connected)
        bench.send(.linkUp(link))
        bench.pass(milliseconds: 3_000)
        bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 300, counter: 8).take)
        #expect(take.hintRevision == 300)
        #expect(take.counter == Revision(rawValue: 8))
    }

    @Test("an older reading than the newest changes nothing")
    func oldReading() throws {
        let bench = ReplicaBench()
        let old = bench.reading(ReplicaBench.other, revision: 40)
        let take = try required(bench.read(nil).take)
        bench.taken(take, lease: 1)
        #expect(bench.send(.noticedHint(old)).isEmpty)
        #expect(bench.core.isSealer)
    }

    @Test("a sealer that sees its hint gone takes it again at once")
    func hintGone() throws {
        let bench = try ReplicaBench.sealing()
        let take = try required(bench.notice(nil).take)
        #expect(take.hintRevision == 0)
    }

    /// The replica's transaction is not answered for as long as anyone waits for it: 100 ms.
    @discardableResult
    private func stick(_ bench: ReplicaBench) throws -> Proposal {
        let proposal = try required(bench.transact("stuck"))
        bench.run(milliseconds: 100)
        #expect(bench.core.ability == .stuck)
        return proposal
    }

    @Test("protocol.md 18: keep-alives are sent only while sealing works")
    func stuck() throws {
        let bench = try ReplicaBench.sealing()
        try stick(bench)
        #expect(bench.run(milliseconds: 2_899).renewed == nil)
        #expect(bench.core.isSealer)
        bench.run(milliseconds: 1)
        #expect(!bench.core.isSealer)
    }

    @Test("a sealer that works again before its lease ends renews it")
    func stuckForAWhile() throws {
        let bench = try ReplicaBench.sealing()
        let proposal = try stick(bench)
        bench.run(milliseconds: 1_400)
        bench.apply(proposal, revision: 2)
        #expect(bench.run(milliseconds: 300).renewed == 1)
    }

    @Test("who is stuck takes no hint, not even a free one")
    func stuckSeeks() throws {
        let bench = try ReplicaBench.sealing()
        let proposal = try stick(bench)
        #expect(bench.run(milliseconds: 2_900).readsHint)
        #expect(bench.read(nil).take == nil)
        #expect(bench.run(milliseconds: 20).readsHint)
        bench.apply(proposal, revision: 2)
        #expect(bench.read(nil).take != nil)
    }

    @Test("protocol.md 22: who cannot trust its clock gives the hint back and forwards")
    func untrustedClock() throws {
        let bench = try ReplicaBench.sealing()
        let effects = bench.clock(.untrusted)
        #expect(effects.givenBack == 1)
        #expect(effects.readsHint)
        // What it gave back may still be read for a moment.
        #expect(bench.read(ReplicaBench.me, revision: 101, lease: 1).isEmpty)
        #expect(bench.run(milliseconds: 20).readsHint)
        let link = try required(bench.read(ReplicaBench.other, revision: 200).connected)
        #expect(bench.send(.linkUp(link)).reports.count == 1)
    }

    @Test("protocol.md 22: a replica that may not seal finds its sealer again after a broken link")
    func untrustedClockReconnects() throws {
        let (bench, link) = try ReplicaBench.following(wall: .untrusted)
        #expect(bench.linkDown(link).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 50).connected == nil)
        #expect(bench.run(milliseconds: 20).readsHint)
        #expect(
            bench.read(ReplicaBench.other, revision: 50).connectedTo == ReplicaBench.other)
    }

    @Test("an attempt that succeeds when it is unwanted is undone, and the search goes on")
    func unwantedTake() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        bench.clock(.untrusted)
        #expect(bench.taken(take, lease: 6).givenBack == 6)
        #expect(!bench.core.isSealer)
        #expect(bench.run(milliseconds: 20).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 200).connected != nil)
    }

    @Test("an own hint that is found when it is not wanted any more is given back")
    func unwantedHint() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        bench.send(.leaving(to: nil))
        bench.send(.takeEnded(take, .unknown))
        let effects = bench.notice(ReplicaBench.me, revision: 60, lease: 8)
        #expect(effects.givenBack == 8)
    }

    @Test("protocol.md 18: a fenced sealer gives the hint back and never takes it again")
    func fenced() throws {
        let bench = try ReplicaBench.sealing()
        let effects = bench.fence()
        #expect(effects.givenBack == 1)
        #expect(bench.core.part == "idle")
        #expect(!bench.core.takesForwards)
        #expect(bench.notice(nil).isEmpty)
        #expect(bench.run(milliseconds: 10_000).isEmpty)
    }

    @Test("a leaving sealer gives the hint back, and seals what comes until another one does")
    func leaving() throws {
        let bench = try ReplicaBench.sealing()
        let effects = bench.send(.leaving(to: nil))
        #expect(effects.givenBack == 1)
        #expect(bench.core.takesForwards)
        #expect(!bench.core.hasHandedOver)
        #expect(bench.read(nil).take == nil)
        let (token, submitted) = bench.submit("a", stream: 1)
        #expect(submitted.batch == [token])
        let link = try required(bench.notice(ReplicaBench.other, revision: 200).connected)
        bench.send(.linkUp(link))
        #expect(bench.core.hasHandedOver)
        #expect(!bench.core.takesForwards)
    }

    @Test("a sealer that says farewell is succeeded at once, and still answers what it has")
    func farewell() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let effects = bench.send(.farewell(link))
        let take = try required(effects.take)
        #expect(take.hintRevision == 0)
        #expect(effects.disconnected.isEmpty)
        bench.taken(take, lease: 5)
        let answer = bench.sealed(link, token, as: 7)
        #expect(answer.outcomes.count == 1)
        #expect(answer.disconnected == [link])
    }

    @Test("protocol.md 19: only the holder of the hint takes forwards, or one that leaves")
    func noLoops() throws {
        #expect(!ReplicaBench().core.takesForwards)
        let (following, _) = try ReplicaBench.following()
        #expect(!following.core.takesForwards)
        let sealing = try ReplicaBench.sealing()
        #expect(sealing.core.takesForwards)
        sealing.send(.leaving(to: nil))
        #expect(sealing.core.takesForwards)
        sealing.send(.stopping)
        #expect(!sealing.core.takesForwards)
    }

    @Test("protocol.md 19: a replica never connects to itself")
    func neverToItself() throws {
        let bench = try ReplicaBench.sealing()
        bench.clock(.untrusted)
        bench.clock(nil)
        for _ in 0..<5 {
            let effects = bench.read(ReplicaBench.me, revision: 101, lease: 1)
            #expect(effects.connected == nil)
            #expect(bench.run(milliseconds: 600).connected == nil)
        }
        #expect(bench.read(nil).take != nil)
    }
}
