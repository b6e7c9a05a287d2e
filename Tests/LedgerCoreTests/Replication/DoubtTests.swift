import Testing

@testable import LedgerCore

/// PROTOCOL.md 18: what happens when the sealer is silent, refuses, or cannot be reached.
@Suite("Doubting the sealer")
struct DoubtTests {
    /// A follower whose forward is unanswered, right before it would take the hint.
    private func silent() throws -> (ReplicaBench, LinkID, SubmissionToken) {
        let (bench, link) = try ReplicaBench.following()
        let (token, actions) = bench.submit("a")
        #expect(actions.sent == [[token]])
        #expect(bench.tick(afterMilliseconds: 10).readsHint)
        #expect(bench.read(ReplicaBench.other, revision: 50, counter: 8).isEmpty)
        #expect(bench.tick(afterMilliseconds: 9).take == nil)
        return (bench, link, token)
    }

    @Test("PROTOCOL.md 18: unanswered for 20 ms, with the counter unmoved: its hint is taken")
    func silentSealer() throws {
        let (bench, link, token) = try silent()
        let actions = bench.tick(afterMilliseconds: 1)
        let take = try required(actions.take)
        #expect(take.hintRevision == 50)
        #expect(take.counter == Revision(rawValue: 8))
        let after = bench.taken(take, lease: 2)
        #expect(after.disconnected == [link])
        // What was forwarded may be sealed by the other yet; it is submitted again under the same id.
        #expect(after.sealedHere == [token])
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
        #expect(bench.taken(take, lease: 2).sealedHere == [token])
    }

    @Test("an answer ends the doubt")
    func answered() throws {
        let (bench, link, token) = try silent()
        _ = bench.sealed(link, token, as: 4)
        #expect(bench.run(milliseconds: 100).take == nil)
        #expect(bench.machine.part == "following")
    }

    @Test("an answer for which nobody waits any more ends the doubt as well")
    func answeredAfterCancelling() throws {
        let (bench, link, token) = try silent()
        #expect(bench.machine.openForwards == 1)
        #expect(bench.send { machine, _ in machine.cancel(token) ?? [] }.outcomes == [.unknown])
        _ = bench.sealed(link, token, as: 4)
        let actions = bench.run(milliseconds: 200)
        #expect(actions.take == nil)
        #expect(!actions.readsHint)
    }

    @Test("a rejection of all that was sent ends the doubt, and the next silence is doubted anew")
    func rejected() throws {
        let (bench, link, token) = try silent()
        let overloaded = NotSealedReason.overloaded(retryAfter: .zero)
        _ = bench.answer(link, token, .notSealed(overloaded))
        #expect(bench.run(milliseconds: 5_000).isEmpty)
        _ = bench.submit("b")
        #expect(bench.tick(afterMilliseconds: 1).isEmpty)
        #expect(bench.tick(afterMilliseconds: 8).isEmpty)
        #expect(bench.tick(afterMilliseconds: 1).readsHint)
    }

    @Test("PROTOCOL.md 18: where the counter moves it is sealed here, after two more chances")
    func movingCounter() throws {
        let (bench, link, token) = try silent()
        for counter in Int64(9)...10 {
            let take = try required(bench.run(milliseconds: 10).take)
            _ = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: counter)
            #expect(bench.machine.part == "following")
        }
        let take = try required(bench.run(milliseconds: 10).take)
        #expect(take.counter == Revision(rawValue: 10))
        let actions = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 11)
        #expect(actions.reports == [.sealsDirectly])
        #expect(actions.disconnected == [link])
        #expect(actions.sealedHere == [token])
        #expect(bench.machine.part == "direct")
    }

    @Test("PROTOCOL.md 18: the hint of a sealer that stays away is taken between two transactions")
    func deadSealer() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let take = try required(
            bench.linkDown(link).readsHint
                ? bench.read(
                    ReplicaBench.other, revision: 50, counter: 8
                ).take : nil)
        // Others seal beside it already: the counter has moved.
        _ = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.machine.part == "direct")
        #expect(bench.run(milliseconds: 100).connected != nil)
        #expect(bench.read(ReplicaBench.other, revision: 50, counter: 20).take == nil)
        // It has not come back for a whole pause.
        #expect(bench.run(milliseconds: 200).readsHint)
        let second = try required(bench.read(ReplicaBench.other, revision: 50, counter: 30).take)
        #expect(second.hintRevision == 50)
        #expect(second.counter == Revision(rawValue: 30))
        _ = bench.taken(second, lease: 7)
        #expect(bench.machine.isSealer)
    }

    @Test("a silent sealer that has put its hint anew is doubted anew")
    func renewedHint() throws {
        let (bench, _, _) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        _ = bench.lost(take, to: ReplicaBench.other, revision: 53)
        #expect(bench.machine.part == "following")
        #expect(bench.tick().readsHint)
        _ = bench.read(ReplicaBench.other, revision: 53, counter: 8)
        #expect(bench.run(milliseconds: 10).take?.hintRevision == 53)
    }

    @Test("a silent sealer that answers while its hint is being taken is kept where that fails")
    func answersWhileTaking() throws {
        let (bench, link, token) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        _ = bench.sealed(link, token, as: 4)
        _ = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.machine.part == "following")
        #expect(bench.run(milliseconds: 5_000).isEmpty)
        #expect(bench.submit("b").actions.sent.count == 1)
    }

    @Test("while its hint is being taken nothing more is sent to a silent sealer")
    func holding() throws {
        let (bench, link, _) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        let (second, actions) = bench.submit("b")
        #expect(actions.isEmpty)
        let after = bench.lost(take, to: ReplicaBench.third, revision: 60)
        #expect(after.disconnected == [link])
        let next = try required(after.connected)
        #expect(bench.linkUp(next).sent.first?.contains(second) == true)
    }

    @Test("an attempt without an answer is resolved by reading")
    func unknownTake() throws {
        let (bench, _, _) = try silent()
        let take = try required(bench.tick(afterMilliseconds: 1).take)
        bench.send { $0.takeEnded(take.id, .unknown, at: $1) }
        #expect(bench.run(milliseconds: 20).readsHint)
        let own = bench.reading(ReplicaBench.me, revision: 90, lease: 3)
        bench.send { $0.hintRead(.success(own, counter: .absent), at: $1) }
        #expect(bench.machine.isSealer)
    }

    @Test("while the hint cannot be read the doubt waits for a reading")
    func noReading() throws {
        let (bench, _) = try ReplicaBench.following()
        _ = bench.submit("a")
        #expect(bench.tick(afterMilliseconds: 10).readsHint)
        bench.send { $0.hintRead(.unavailable, at: $1) }
        #expect(bench.run(milliseconds: 19).readsHint == false)
        #expect(bench.run(milliseconds: 1).readsHint)
    }

    @Test("twice the usual commit time is waited where that is longer")
    func slowCommits() throws {
        let (bench, link) = try ReplicaBench.following()
        for number in UInt64(1)...60 {
            let (token, _) = bench.submit("slow-\(number)")
            bench.pass(milliseconds: 19)
            _ = bench.sealed(link, token, as: number)
        }
        _ = bench.submit("a")
        // Between 5 ms and 19 ms on average by now: the doubt begins after one, the taking after two.
        #expect(bench.run(milliseconds: 15).readsHint == false)
        #expect(bench.run(milliseconds: 5).readsHint)
    }

    @Test("PROTOCOL.md 22: who could not seal either waits for the silent sealer")
    func cannotSealEither() throws {
        let (bench, _) = try ReplicaBench.following(ability: .clockUntrusted)
        _ = bench.submit("a")
        for _ in 0..<4 {
            #expect(bench.run(milliseconds: 30).readsHint)
            let actions = bench.read(ReplicaBench.other, revision: 50)
            #expect(actions.take == nil)
            #expect(bench.machine.part == "following")
        }
    }

    // MARK: Refusing

    @Test("PROTOCOL.md 18: a sealer that refuses is deposed where the counter does not move")
    func refused() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(bench.answer(link, token, .refused).readsHint)
        let take = try required(bench.read(ReplicaBench.other, revision: 50, counter: 8).take)
        #expect(take.hintRevision == 50)
        #expect(take.counter == Revision(rawValue: 8))
        #expect(bench.taken(take, lease: 2).passed.isEmpty)
        #expect(bench.machine.isSealer)
    }

    @Test("where the counter moved a refused replica seals beside the sealer, and tries it again")
    func refusedButMoving() throws {
        let (bench, link) = try ReplicaBench.following()
        #expect(bench.linkDown(link).readsHint)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        _ = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.machine.part == "direct")
        let retry = bench.run(milliseconds: 100)
        #expect(retry.connectedTo == ReplicaBench.other)
        let next = try required(retry.connected)
        _ = bench.linkUp(next)
        #expect(bench.machine.followedAddress == ReplicaBench.other.address)
    }

    @Test("the pauses before a sealer is tried again grow until it seals again")
    func growingPauses() throws {
        let (bench, link) = try ReplicaBench.following()
        _ = bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        _ = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        var pauses: [Int64] = []
        for _ in 0..<6 {
            let before = bench.now
            let wake = try #require(bench.machine.nextWake)
            bench.pass(milliseconds: (wake - before).count / 1_000_000)
            let next = try required(bench.tick().connected)
            pauses.append((bench.now - before).count / 1_000_000)
            _ = bench.linkDown(next)
        }
        #expect(pauses == [100, 200, 400, 800, 1_000, 1_000])
    }

    @Test("a replica that seals beside the sealer follows whoever holds the hint next")
    func nextHolder() throws {
        let (bench, link) = try ReplicaBench.following()
        _ = bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        _ = bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.notice(ReplicaBench.other, revision: 50).isEmpty)
        #expect(
            bench.notice(ReplicaBench.third, revision: 60).connectedTo == ReplicaBench.third)
    }

    @Test("PROTOCOL.md 20: a hint that leads to a replica of another ledger is one that refuses")
    func otherLedger() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let (token, held) = bench.submit("a")
        #expect(held.isEmpty)
        // Its greeting was refused: nothing was forwarded.
        let actions = bench.linkDown(link)
        #expect(actions.readsHint)
        #expect(actions.sent.isEmpty)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        #expect(bench.taken(take, lease: 2).sealedHere == [token])
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

    @Test("PROTOCOL.md 18: events are held for an election for half the contract, then sealed here")
    func heldForElection() throws {
        let bench = ReplicaBench()
        let (first, _) = bench.submit("a", stream: 1)
        bench.pass(milliseconds: 10)
        let (second, actions) = bench.submit("b", stream: 1)
        #expect(actions.isEmpty)
        #expect(bench.run(milliseconds: 14).sealedHere.isEmpty)
        #expect(bench.run(milliseconds: 1).sealedHere == [first])
        #expect(bench.run(milliseconds: 10).sealedHere == [second])
    }

    @Test("a link that comes up when it is not wanted any more is closed")
    func lateLink() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        _ = bench.notice(ReplicaBench.third, revision: 60)
        #expect(bench.linkUp(link).disconnected == [link])
    }
}
