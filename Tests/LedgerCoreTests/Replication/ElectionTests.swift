import Testing

@testable import LedgerCore

@Suite("Electing the replica that seals")
struct ElectionTests {
    @Test("a replica reads the hint as soon as it can seal and be reached, in either order")
    func beginning() {
        let early = ReplicaBench(identity: nil, ability: .able)
        #expect(early.machine.part == "idle")
        #expect(early.send { $0.join(as: ReplicaBench.me, at: $1) }.readsHint)
        let late = ReplicaBench(ability: .loading)
        #expect(late.machine.part == "idle")
        #expect(late.send { $0.abilityChanged(.able, at: $1) }.readsHint)
    }

    @Test("without an address everything is sealed here, and no hint is touched")
    func alone() {
        let bench = ReplicaBench(identity: nil)
        let (token, actions) = bench.submit("a", stream: 1)
        #expect(actions.passed == [token])
        #expect(bench.notice(ReplicaBench.other, revision: 5).isEmpty)
        #expect(bench.machine.nextWake == nil)
        #expect(bench.machine.part == "idle")
    }

    @Test("a free hint is taken, and kept alive while it is held")
    func free() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        #expect(take.hintRevision == 0)
        #expect(take.counter == nil)
        bench.pass(milliseconds: 4)
        let actions = bench.taken(take, lease: 77)
        #expect(actions.reports == [.becameSealer(after: .milliseconds(4))])
        #expect(bench.machine.isSealer)
        #expect(bench.machine.takesForwards)
        // Reckoned from when the attempt began.
        #expect(bench.tick(afterMilliseconds: 995).renewed == nil)
        #expect(bench.tick(afterMilliseconds: 1).renewed == 77)
        #expect(bench.tick(afterMilliseconds: 500).renewed == nil)
        let asked = bench.now
        bench.send { $0.keptAlive(lease: 77, .renewed, asked: asked, at: $1) }
        #expect(bench.tick(afterMilliseconds: 999).renewed == nil)
        #expect(bench.tick(afterMilliseconds: 1).renewed == 77)
    }

    @Test("a keep-alive that failed is repeated soon, and one that finds no lease ends the tenure")
    func keepAliveFails() throws {
        let bench = try ReplicaBench.sealing()
        #expect(bench.tick(afterMilliseconds: 1_000).renewed == 1)
        let asked = bench.now
        bench.send { $0.keptAlive(lease: 1, .unknown, asked: asked, at: $1) }
        #expect(bench.tick(afterMilliseconds: 300).renewed == 1)
        let actions = bench.send { $0.keptAlive(lease: 1, .expired, asked: asked, at: $1) }
        #expect(actions.readsHint)
        #expect(bench.machine.part == "seeking")
        #expect(!bench.machine.takesForwards)
    }

    @Test("who slept through the lease's end is not the sealer any more")
    func slept() throws {
        let bench = try ReplicaBench.sealing()
        let actions = bench.tick(afterMilliseconds: 3_000)
        #expect(actions.readsHint)
        #expect(actions.renewed == nil)
        #expect(!bench.machine.isSealer)
        // A renewal that is answered now comes too late.
        let asked = bench.now
        bench.send { $0.keptAlive(lease: 1, .renewed, asked: asked, at: $1) }
        #expect(!bench.machine.isSealer)
    }

    @Test("PROTOCOL.md 18: the hint of a sealer that died is taken once its lease has ended")
    func expired() throws {
        let (bench, link) = try ReplicaBench.following()
        let actions = bench.notice(nil)
        #expect(actions.disconnected == [link])
        let take = try required(actions.take)
        #expect(take.hintRevision == 0)
        _ = bench.taken(take, lease: 3)
        #expect(bench.machine.isSealer)
    }

    @Test("a hint that is none is taken at once, whatever it says")
    func malformed() throws {
        let bench = ReplicaBench()
        _ = bench.notice(bench.reading(nil, revision: 30))
        let take = try required(bench.read(nil, revision: 30).take)
        #expect(take.hintRevision == 30)
        #expect(take.counter == nil)
        _ = bench.taken(take, lease: 2)
        #expect(bench.machine.isSealer)
    }

    @Test("a sealer whose hint is overwritten with nonsense takes it back")
    func overwritten() throws {
        let bench = try ReplicaBench.sealing()
        #expect(bench.notice(bench.reading(nil, revision: 300)).readsHint)
        #expect(bench.read(nil, revision: 300).take?.hintRevision == 300)
    }

    @Test("PROTOCOL.md 18: who lost the race follows the winner, and waits a TTL")
    func lostRace() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        let actions = bench.lost(take, to: ReplicaBench.other, revision: 60)
        #expect(actions.connectedTo == ReplicaBench.other)
        let link = try required(actions.connected)
        // The winner refuses: before a lease's time is over it is not deposed.
        #expect(bench.linkDown(link).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 60).take == nil)
        #expect(bench.machine.part == "direct")
    }

    @Test("who heard of the winner before the end of its own attempt follows it all the same")
    func lostRaceHeardBefore() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        #expect(bench.notice(ReplicaBench.other, revision: 60).isEmpty)
        let actions = bench.lost(take, to: ReplicaBench.other, revision: 60)
        #expect(actions.connectedTo == ReplicaBench.other)
    }

    @Test("an attempt whose fate is unknown is resolved by reading: the own hint stands")
    func unknownTakeApplied() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        bench.send { $0.takeEnded(take.id, .unknown, at: $1) }
        #expect(bench.machine.part == "seeking")
        #expect(bench.run(milliseconds: 20).readsHint)
        let reading = bench.reading(ReplicaBench.me, revision: 60, lease: 4)
        bench.send { $0.hintRead(.success(reading, counter: .absent), at: $1) }
        #expect(bench.machine.isSealer)
        // Nobody knows how old that lease is.
        #expect(bench.tick().renewed == 4)
    }

    @Test("an attempt whose fate is unknown is repeated where the hint is still free")
    func unknownTakeLost() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        bench.send { $0.takeEnded(take.id, .unknown, at: $1) }
        #expect(bench.run(milliseconds: 20).readsHint)
        let next = try required(bench.read(nil).take)
        #expect(next.id != take.id)
        // The first one's request arrives at last, and its hint is the one that stands.
        _ = bench.notice(bench.reading(ReplicaBench.me, revision: 70, lease: 4))
        #expect(bench.machine.isSealer)
        let actions = bench.lost(next, to: ReplicaBench.me, revision: 70, lease: 4)
        #expect(actions.isEmpty)
        #expect(bench.machine.isSealer)
    }

    @Test("the end of an attempt that was given up still counts where the hint stands")
    func lateTake() throws {
        let bench = ReplicaBench()
        let first = try required(bench.read(nil).take)
        bench.send { $0.takeEnded(first.id, .unknown, at: $1) }
        _ = bench.run(milliseconds: 20)
        _ = try required(bench.read(nil).take)
        _ = bench.taken(first, lease: 4)
        #expect(bench.machine.isSealer)
    }

    @Test("an attempt that succeeded and was undone before its answer came makes no sealer")
    func takenAndDeposed() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        let own = bench.reading(ReplicaBench.me, revision: 60, lease: 4)
        _ = bench.notice(ReplicaBench.other, revision: 61)
        bench.send { $0.takeEnded(take.id, .taken(lease: 4, own), at: $1) }
        #expect(!bench.machine.isSealer)
        #expect(bench.run(milliseconds: 20).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 61).connectedTo == ReplicaBench.other)
    }

    @Test("while etcd does not answer the hint is read again and again, with growing pauses")
    func unavailable() {
        let bench = ReplicaBench()
        var pauses: [Int64] = []
        for _ in 0..<8 {
            bench.send { $0.hintRead(.unavailable, at: $1) }
            let before = bench.now
            let wake = bench.machine.nextWake
            #expect(wake != nil)
            bench.pass(milliseconds: ((wake ?? before) - before).count / 1_000_000)
            #expect(bench.tick().readsHint)
            pauses.append((bench.now - before).count / 1_000_000)
        }
        #expect(pauses == [20, 40, 80, 160, 320, 500, 500, 500])
    }

    @Test("PROTOCOL.md 18: a sealer that is deposed follows the new one, and waits a TTL")
    func deposed() throws {
        let bench = try ReplicaBench.sealing()
        let actions = bench.notice(ReplicaBench.other, revision: 300)
        #expect(actions.reports.first == .deposed)
        #expect(actions.connectedTo == ReplicaBench.other)
        #expect(!bench.machine.takesForwards)
        let link = try required(actions.connected)
        bench.pass(milliseconds: 2_999)
        _ = bench.linkDown(link)
        #expect(bench.read(ReplicaBench.other, revision: 300).take == nil)
        #expect(bench.machine.part == "direct")
    }

    @Test("after a TTL a deposed sealer may depose in turn")
    func deposingAfterTTL() throws {
        let bench = try ReplicaBench.sealing()
        let link = try required(bench.notice(ReplicaBench.other, revision: 300).connected)
        _ = bench.linkUp(link)
        bench.pass(milliseconds: 3_000)
        _ = bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 300, counter: 8).take)
        #expect(take.hintRevision == 300)
        #expect(take.counter == Revision(rawValue: 8))
    }

    @Test("an older reading than the newest changes nothing")
    func oldReading() throws {
        let bench = ReplicaBench()
        let old = bench.reading(ReplicaBench.other, revision: 40)
        let take = try required(bench.read(nil).take)
        _ = bench.taken(take, lease: 1)
        #expect(bench.notice(old).isEmpty)
        #expect(bench.machine.isSealer)
    }

    @Test("a sealer that sees its hint gone takes it again at once")
    func hintGone() throws {
        let bench = try ReplicaBench.sealing()
        let take = try required(bench.notice(nil).take)
        #expect(take.hintRevision == 0)
    }

    @Test("PROTOCOL.md 18: keep-alives are sent only while sealing works")
    func stuck() throws {
        let bench = try ReplicaBench.sealing()
        bench.send { $0.abilityChanged(.stuck, at: $1) }
        #expect(bench.run(milliseconds: 2_999).renewed == nil)
        #expect(bench.machine.isSealer)
        _ = bench.run(milliseconds: 1)
        #expect(!bench.machine.isSealer)
    }

    @Test("a sealer that works again before its lease ends renews it")
    func stuckForAWhile() throws {
        let bench = try ReplicaBench.sealing()
        bench.send { $0.abilityChanged(.stuck, at: $1) }
        _ = bench.run(milliseconds: 1_500)
        bench.send { $0.abilityChanged(.able, at: $1) }
        #expect(bench.run(milliseconds: 300).renewed == 1)
    }

    @Test("who is stuck takes no hint, not even a free one")
    func stuckSeeks() throws {
        let bench = try ReplicaBench.sealing()
        bench.send { $0.abilityChanged(.stuck, at: $1) }
        #expect(bench.run(milliseconds: 3_000).readsHint)
        #expect(bench.read(nil).take == nil)
        #expect(bench.run(milliseconds: 20).readsHint)
        bench.send { $0.abilityChanged(.able, at: $1) }
        #expect(bench.read(nil).take != nil)
    }

    @Test("PROTOCOL.md 22: who cannot trust its clock gives the hint back and forwards")
    func untrustedClock() throws {
        let bench = try ReplicaBench.sealing()
        let actions = bench.send { $0.abilityChanged(.clockUntrusted, at: $1) }
        #expect(actions.givenBack == 1)
        #expect(actions.readsHint)
        // What it gave back may still be read for a moment.
        let reading = bench.reading(ReplicaBench.me, revision: 101, lease: 1)
        let again = bench.send { $0.hintRead(.success(reading, counter: .absent), at: $1) }
        #expect(again.isEmpty)
        #expect(bench.run(milliseconds: 20).readsHint)
        let link = try required(bench.read(ReplicaBench.other, revision: 200).connected)
        #expect(bench.linkUp(link).reports.count == 1)
    }

    @Test("PROTOCOL.md 22: a replica that may not seal finds its sealer again after a broken link")
    func untrustedClockReconnects() throws {
        let (bench, link) = try ReplicaBench.following(ability: .clockUntrusted)
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
        bench.send { $0.abilityChanged(.clockUntrusted, at: $1) }
        #expect(bench.taken(take, lease: 6).givenBack == 6)
        #expect(!bench.machine.isSealer)
        #expect(bench.run(milliseconds: 20).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 200).connected != nil)
    }

    @Test("an own hint that is found when it is not wanted any more is given back")
    func unwantedHint() throws {
        let bench = ReplicaBench()
        let take = try required(bench.read(nil).take)
        bench.send { $0.leave(at: $1) }
        bench.send { $0.takeEnded(take.id, .unknown, at: $1) }
        let actions = bench.notice(bench.reading(ReplicaBench.me, revision: 60, lease: 8))
        #expect(actions.givenBack == 8)
    }

    @Test("PROTOCOL.md 18: a fenced sealer gives the hint back and never takes it again")
    func fenced() throws {
        let bench = try ReplicaBench.sealing()
        let actions = bench.send { $0.abilityChanged(.fenced, at: $1) }
        #expect(actions.givenBack == 1)
        #expect(bench.machine.part == "idle")
        #expect(!bench.machine.takesForwards)
        #expect(bench.notice(nil).isEmpty)
        #expect(bench.run(milliseconds: 10_000).isEmpty)
    }

    @Test("a leaving sealer gives the hint back, and seals what comes until another one does")
    func leaving() throws {
        let bench = try ReplicaBench.sealing()
        let actions = bench.send { $0.leave(at: $1) }
        #expect(actions.givenBack == 1)
        #expect(bench.machine.takesForwards)
        #expect(!bench.machine.hasHandedOver)
        #expect(bench.read(nil).take == nil)
        let (token, submitted) = bench.submit("a", stream: 1)
        #expect(submitted.sealedHere == [token])
        let link = try required(bench.notice(ReplicaBench.other, revision: 200).connected)
        _ = bench.linkUp(link)
        #expect(bench.machine.hasHandedOver)
        #expect(!bench.machine.takesForwards)
    }

    @Test("a sealer that says farewell is succeeded at once, and still answers what it has")
    func farewell() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let actions = bench.send { $0.farewell(link, at: $1) }
        let take = try required(actions.take)
        #expect(take.hintRevision == 0)
        #expect(actions.disconnected.isEmpty)
        _ = bench.taken(take, lease: 5)
        let answer = bench.sealed(link, token, as: 7)
        #expect(answer.outcomes.count == 1)
        #expect(answer.disconnected == [link])
    }

    @Test("PROTOCOL.md 19: only the holder of the hint takes forwards, or one that leaves")
    func noLoops() throws {
        #expect(!ReplicaBench().machine.takesForwards)
        let (following, _) = try ReplicaBench.following()
        #expect(!following.machine.takesForwards)
        let sealing = try ReplicaBench.sealing()
        #expect(sealing.machine.takesForwards)
        sealing.send { $0.leave(at: $1) }
        #expect(sealing.machine.takesForwards)
        sealing.send { $0.stop(at: $1) }
        #expect(!sealing.machine.takesForwards)
    }

    @Test("PROTOCOL.md 19: a replica never connects to itself")
    func neverToItself() throws {
        let bench = try ReplicaBench.sealing()
        bench.send { $0.abilityChanged(.clockUntrusted, at: $1) }
        bench.send { $0.abilityChanged(.able, at: $1) }
        for _ in 0..<5 {
            let reading = bench.reading(ReplicaBench.me, revision: 101, lease: 1)
            let actions = bench.send { $0.hintRead(.success(reading, counter: .absent), at: $1) }
            #expect(actions.connected == nil)
            #expect(bench.run(milliseconds: 600).connected == nil)
        }
        #expect(bench.read(nil).take != nil)
    }
}
