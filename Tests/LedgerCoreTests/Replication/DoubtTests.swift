import Testing

@testable import LedgerCore

/// protocol.md 18: what happens when the sealer is silent, refuses, or cannot be reached.
@Suite("Doubting the sealer")
struct DoubtTests {
    /// A follower whose forward is unanswered, right before it would take the hint.
    private func silent() throws -> (ReplicaBench, LinkID, SubmissionToken) {
        let (bench, link) = try ReplicaBench.following()
        let (token, effects) = bench.submit("a")
        #expect(effects.sent == [[token]])
        #expect(bench.tick(afterMilliseconds: 10).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 50, counter: 8).isEmpty)
        #expect(bench.tick(afterMilliseconds: 9).take == nil)
        return (bench, link, token)
    }

    /// The attempt to take the hint that begins within 100 ms, at the very moment at which it does.
    private func nextTake(_ bench: ReplicaBench) -> TakeAttempt? {
        for _ in 0..<100 {
            if let take = bench.tick(afterMilliseconds: 1).take { return take }
        }
        return nil
    }

    @Test("protocol.md 18: unanswered for 20 ms, with the counter unmoved: its hint is taken")
    func silentSealer() throws {
        let (bench, link, token) = try silent()
        let effects = bench.tick(afterMilliseconds: 1)
        let take = try required(effects.take)
        #expect(take.hintRevision == 50)
        #expect(take.counter == Revision(rawValue: 8))
        let after = bench.taken(take, lease: 2)
        #expect(after.disconnected == [link])
        // What was forwarded may be sealed by the other yet; it is submitted again under the same id.
        #expect(after.batch == [token])
    }

    @Test("who overslept watches the sealer once more, and twice at most")
    func overslept() throws {
        let (bench, _, token) = try silent()
        for _ in 1...2 {
            #expect(bench.tick(afterMilliseconds: 15).take == nil)
            #expect(bench.tick(afterMilliseconds: 9).take == nil)
        }
        let take = try required(bench.tick(afterMilliseconds: 15).take)
        #expect(take.hintRevision == 50)
        // By now it is too late to try it here: whether the other one has sealed it is looked up.
        #expect(bench.taken(take, lease: 2).searched == [token])
    }

    @Test("protocol.md 18: where the store is slow for the follower, the counter is watched longer")
    func slowStore() throws {
        let (bench, _) = try ReplicaBench.following()
        bench.submit("a")
        #expect(bench.tick(afterMilliseconds: 10).readsHint)
        #expect(bench.tick(afterMilliseconds: 15).take == nil)
        bench.read(ReplicaBench.other, revision: 50, counter: 8)
        // The read took 15 ms, so a transaction may take 60.
        #expect(bench.tick(afterMilliseconds: 59).take == nil)
        #expect(bench.tick(afterMilliseconds: 1).take != nil)
    }

    @Test("protocol.md 18: a sealer that was doubted wrongly is given twice the time")
    func wronglyDoubted() throws {
        let (bench, link, token) = try silent()
        bench.sealed(link, token, as: 4)
        bench.submit("b")
        let patience = bench.core.forwarding.pace.patience
        #expect(patience >= .milliseconds(39))
        #expect(bench.tick(afterMilliseconds: patience.count / 2_000_000 - 1).isEmpty)
        #expect(bench.tick(afterMilliseconds: 2).readsHint)
    }

    @Test("a sealer that was avoided and welcomes this replica again is given twice the time")
    func wronglyAvoided() throws {
        let (bench, _, _) = try silent()
        for counter in Int64(9)...11 {
            let take = try required(nextTake(bench))
            bench.lost(take, to: ReplicaBench.other, revision: 50, counter: counter)
        }
        #expect(bench.core.part == "direct")
        let usual = bench.core.forwarding.pace.patience
        let link = try required(bench.run(milliseconds: 100).connected)
        bench.send(.linkUp(link))
        #expect(bench.core.part == "following")
        #expect(bench.core.forwarding.pace.patience == usual * 2)
    }

    @Test("an answer ends the doubt")
    func answered() throws {
        let (bench, link, token) = try silent()
        bench.sealed(link, token, as: 4)
        #expect(bench.run(milliseconds: 100).take == nil)
        #expect(bench.core.part == "following")
    }

    @Test("an answer for which nobody waits any more ends the doubt as well")
    func answeredAfterCancelling() throws {
        let (bench, link, token) = try silent()
        #expect(bench.core.openEvents == 1)
        #expect(bench.cancel(token).outcomes == [.unknown])
        bench.sealed(link, token, as: 4)
        let effects = bench.run(milliseconds: 200)
        #expect(effects.take == nil)
        #expect(!effects.readsHint)
    }

    @Test("a rejection of all that was sent ends the doubt, and the next silence is doubted anew")
    func rejected() throws {
        let (bench, link, token) = try silent()
        let overloaded = NotSealedReason.overloaded(retryAfter: .zero)
        bench.answer(link, token, .notSealed(overloaded))
        #expect(bench.run(milliseconds: 5_000).isEmpty)
        bench.submit("b")
        #expect(bench.tick(afterMilliseconds: 1).isEmpty)
        #expect(bench.tick(afterMilliseconds: 8).isEmpty)
        #expect(bench.tick(afterMilliseconds: 1).readsHint)
    }

    @Test("protocol.md 18: where the counter moves it is sealed here, after two more chances")
    func movingCounter() throws {
        let (bench, link, token) = try silent()
        for counter in Int64(9)...10 {
            let take = try required(nextTake(bench))
            bench.lost(take, to: ReplicaBench.other, revision: 50, counter: counter)
            #expect(bench.core.part == "following")
        }
        let take = try required(nextTake(bench))
        #expect(take.counter == Revision(rawValue: 10))
        bench.pass(milliseconds: 9)
        let effects = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 11)
        #expect(effects.reports == [.sealsDirectly])
        #expect(effects.disconnected == [link])
        // It could not be sealed in time any more: whether it is sealed is looked up.
        #expect(effects.searched == [token])
        #expect(bench.core.part == "direct")
        let (next, here) = bench.submit("b")
        #expect(here.batch == [next])
    }

    @Test("protocol.md 18: the hint of a sealer that stays away is taken between two transeffects")
    func deadSealer() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        #expect(bench.linkDown(link).readsHint)
        let take = try required(bench.read(ReplicaBench.other, revision: 50, counter: 8).take)
        // Others seal beside it already: the counter has moved.
        bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.core.part == "direct")
        #expect(bench.run(milliseconds: 100).connected != nil)
        #expect(bench.read(ReplicaBench.other, revision: 50, counter: 20).take == nil)
        // It has not come back for a whole pause.
        #expect(bench.run(milliseconds: 200).readsHint)
        let second = try required(bench.read(ReplicaBench.other, revision: 50, counter: 30).take)
        #expect(second.hintRevision == 50)
        #expect(second.counter == Revision(rawValue: 30))
        bench.taken(second, lease: 7)
        #expect(bench.core.isSealer)
    }

    @Test("a silent sealer that has put its hint anew is doubted anew")
    func renewedHint() throws {
        let (bench, _, _) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        bench.lost(take, to: ReplicaBench.other, revision: 53)
        #expect(bench.core.part == "following")
        #expect(bench.tick().readsHint)
        bench.read(ReplicaBench.other, revision: 53, counter: 8)
        #expect(bench.run(milliseconds: 10).take?.hintRevision == 53)
    }

    @Test("a silent sealer that answers while its hint is being taken is kept where that fails")
    func answersWhileTaking() throws {
        let (bench, link, token) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        bench.sealed(link, token, as: 4)
        bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.core.part == "following")
        #expect(bench.run(milliseconds: 5_000).isEmpty)
        #expect(bench.submit("b").effects.sent.count == 1)
    }

    @Test("while its hint is being taken nothing more is sent to a silent sealer")
    func holding() throws {
        let (bench, link, _) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        let (second, effects) = bench.submit("b")
        #expect(effects.isEmpty)
        let after = bench.lost(take, to: ReplicaBench.third, revision: 60)
        #expect(after.disconnected == [link])
        let next = try required(after.connected)
        #expect(bench.send(.linkUp(next)).sent.first?.contains(second) == true)
    }

    @Test("an attempt without an answer is resolved by reading")
    func unknownTake() throws {
        let (bench, _, _) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        bench.send(.takeEnded(take, .unknown))
        #expect(bench.run(milliseconds: 20).readsHint)
        bench.read(ReplicaBench.me, revision: 90, lease: 3)
        #expect(bench.core.isSealer)
    }

    @Test("while the hint cannot be read the doubt waits for a reading")
    func noReading() throws {
        let (bench, _) = try ReplicaBench.following()
        bench.submit("a")
        #expect(bench.tick(afterMilliseconds: 10).readsHint)
        bench.send(.hintRead(.unavailable))
        #expect(bench.run(milliseconds: 19).readsHint == false)
        #expect(bench.run(milliseconds: 1).readsHint)
    }

    @Test("twice the usual commit time is waited where that is longer")
    func slowCommits() throws {
        let (bench, link) = try ReplicaBench.following()
        for number in UInt64(1)...60 {
            let (token, _) = bench.submit("slow-\(number)")
            bench.pass(milliseconds: 19)
            bench.sealed(link, token, as: number)
        }
        bench.submit("a")
        // Between 5 ms and 19 ms on average by now: the doubt begins after one, the taking after two.
        #expect(bench.run(milliseconds: 15).readsHint == false)
        #expect(bench.run(milliseconds: 5).readsHint)
    }

    @Test("protocol.md 22: who could not seal either waits for the silent sealer")
    func cannotSealEither() throws {
        let (bench, _) = try ReplicaBench.following(wall: .untrusted)
        bench.submit("a")
        for _ in 0..<4 {
            #expect((0..<100).contains { _ in bench.tick(afterMilliseconds: 1).readsHint })
            let effects = bench.read(ReplicaBench.other, revision: 50)
            #expect(effects.take == nil)
            #expect(bench.core.part == "following")
        }
    }

    // MARK: Refusing

    @Test("protocol.md 18: a sealer that refuses is deposed where the counter does not move")
    func refused() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(bench.answer(link, token, .refused).readsHint)
        let take = try required(bench.read(ReplicaBench.other, revision: 50, counter: 8).take)
        #expect(take.hintRevision == 50)
        #expect(take.counter == Revision(rawValue: 8))
        #expect(bench.taken(take, lease: 2).batch == [token])
        #expect(bench.core.isSealer)
    }

    @Test("where the counter moved a refused replica seals beside the sealer, and tries it again")
    func refusedButMoving() throws {
        let (bench, link) = try ReplicaBench.following()
        #expect(bench.linkDown(link).readsHint)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.core.part == "direct")
        let retry = bench.run(milliseconds: 100)
        #expect(retry.connectedTo == ReplicaBench.other)
        let next = try required(retry.connected)
        bench.send(.linkUp(next))
        #expect(bench.core.sealerAddress == ReplicaBench.other.address)
    }

    @Test("the pauses before a sealer is tried again grow until it seals again")
    func growingPauses() throws {
        let (bench, link) = try ReplicaBench.following()
        bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        var pauses: [Int64] = []
        for _ in 0..<6 {
            let before = bench.now
            let wake = try #require(bench.core.nextWake)
            bench.pass(milliseconds: (wake - before).count / 1_000_000)
            let next = try required(bench.tick().connected)
            pauses.append((bench.now - before).count / 1_000_000)
            bench.linkDown(next)
        }
        #expect(pauses == [100, 200, 400, 800, 1_000, 1_000])
    }

    @Test("a replica that seals beside the sealer follows whoever holds the hint next")
    func nextHolder() throws {
        let (bench, link) = try ReplicaBench.following()
        bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.notice(ReplicaBench.other, revision: 50).isEmpty)
        #expect(
            bench.notice(ReplicaBench.third, revision: 60).connectedTo == ReplicaBench.third)
    }

    @Test("protocol.md 20: a hint that leads to a replica of another ledger is one that refuses")
    func otherLedger() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let (token, held) = bench.submit("a")
        #expect(held.isEmpty)
        // Its greeting was refused: nothing was forwarded.
        let effects = bench.linkDown(link)
        #expect(effects.readsHint)
        #expect(effects.sent.isEmpty)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        #expect(bench.taken(take, lease: 2).batch == [token])
    }

    @Test("a connection may take longer where nothing waits for it")
    func connecting() throws {
        let bench = ReplicaBench()
        _ = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        #expect(bench.run(milliseconds: 999).isEmpty)
        #expect(bench.run(milliseconds: 1).readsHint)
        let busy = ReplicaBench()
        _ = try required(busy.read(ReplicaBench.other, revision: 50).connected)
        #expect(busy.run(milliseconds: 90).isEmpty)
        _ = busy.submit("a")
        #expect(busy.run(milliseconds: 9).readsHint == false)
        #expect(busy.run(milliseconds: 1).readsHint)
    }

    @Test("protocol.md 18: events are held for an election for half the contract, then sealed here")
    func heldForElection() throws {
        let bench = ReplicaBench()
        let (first, _) = bench.submit("a", stream: 1)
        bench.pass(milliseconds: 10)
        let (second, effects) = bench.submit("b", stream: 1)
        #expect(effects.isEmpty)
        #expect(bench.run(milliseconds: 14).batch.isEmpty)
        let late = bench.run(milliseconds: 1)
        #expect(late.batch == [first])
        bench.apply(try required(late.plan.flatMap { bench.propose($0) }), revision: 2)
        #expect(bench.run(milliseconds: 10).batch == [second])
    }

    @Test("a link that comes up when it is not wanted any more is closed")
    func lateLink() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        bench.notice(ReplicaBench.third, revision: 60)
        #expect(bench.send(.linkUp(link)).disconnected == [link])
    }
}
