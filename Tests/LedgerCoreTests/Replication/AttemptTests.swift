import Testing

@testable import LedgerCore

/// What a forwarder claims of an event that was tried more than once.
@Suite("Attempts to have an event sealed")
struct AttemptTests {
    private static let overloaded = NotSealedReason.overloaded(retryAfter: .zero)

    /// A follower that has lost its first link with an event under way, and has forwarded it to a third replica.
    private func forwardedTwice(
        id: String = "a", head: UInt64 = 0, stream: UInt64? = nil
    ) throws -> (ReplicaBench, first: LinkID, second: LinkID, SubmissionToken) {
        let (bench, first) = try ReplicaBench.following()
        if head > 0 { bench.hear(of: head, over: first) }
        let (token, _) = bench.submit(id, stream: stream)
        bench.linkDown(first)
        let second = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        #expect(bench.send(.linkUp(second)).sent == [[token]])
        return (bench, first, second, token)
    }

    // MARK: Certain rejections (protocol.md 4)

    @Test("protocol.md 4: a rejection by the only attempt is certain")
    func onlyAttempt() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(
            bench.answer(link, token, .notSealed(Self.overloaded)).outcomes
                == [.notSealed(Self.overloaded)])
    }

    @Test("protocol.md 4: while another attempt is open a rejection is none: it ends as unknown")
    func openAttempt() throws {
        let (bench, _, second, token) = try forwardedTwice()
        let effects = bench.answer(second, token, .notSealed(Self.overloaded))
        #expect(effects.outcomes.isEmpty)
        #expect(effects.searched == [token])
        bench.send(.searched(token, under: nil, .absent))
        let end = bench.run(milliseconds: 100)
        #expect(end.outcomes == [.unknown])
        #expect(end.sent.isEmpty)
        #expect(end.batch.isEmpty)
    }

    @Test("protocol.md 4: an attempt that is rejected after all is open no longer")
    func bothRejected() throws {
        let (bench, first, second, token) = try forwardedTwice()
        #expect(bench.answer(first, token, .notSealed(Self.overloaded)).outcomes.isEmpty)
        #expect(
            bench.answer(second, token, .notSealed(Self.overloaded)).outcomes
                == [.notSealed(Self.overloaded)])
    }

    @Test("protocol.md 4: a refusal before an event was looked at is certain: it goes elsewhere")
    func refused() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.answer(link, token, .refused)
        let next = try required(bench.read(ReplicaBench.third, revision: 60).connected)
        #expect(bench.send(.linkUp(next)).sent == [[token]])
        #expect(
            bench.answer(next, token, .notSealed(Self.overloaded)).outcomes
                == [.notSealed(Self.overloaded)])
    }

    @Test(
        "what says nothing of the event itself is no rejection: it goes elsewhere",
        arguments: [
            NotSealedReason.stopping, .starting, .clockUntrusted, .rolledBack,
        ])
    func otherReplicaUnable(reason: NotSealedReason) throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let effects = bench.answer(link, token, .notSealed(reason))
        #expect(effects.outcomes.isEmpty)
        #expect(effects.readsHint)
        let next = try required(bench.read(ReplicaBench.third, revision: 60).connected)
        #expect(bench.send(.linkUp(next)).sent == [[token]])
    }

    @Test("protocol.md 4: an unknown answer is an open attempt, and the event is looked up")
    func unknownAnswer() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(bench.answer(link, token, .unknown).searched == [token])
        bench.send(.searched(token, under: nil, .failed))
        #expect(bench.run(milliseconds: 9).isEmpty)
        #expect(bench.run(milliseconds: 3).searched == [token])
        let found = try ReplicaBench.entry("a", as: 4)
        let effects = bench.send(.searched(token, under: nil, .found(found)))
        #expect(effects.outcomes.map(\.number) == [4])
    }

    @Test("protocol.md 4: an own transaction that stays open counts as well")
    func openHere() throws {
        let bench = try ReplicaBench.sealing()
        let proposal = try required(bench.transact("a", stream: 1))
        #expect(bench.end(proposal, .unknown).outcomes.isEmpty)
        // Deposed, and sealed nowhere: the transaction may be applied yet.
        bench.notice(ReplicaBench.other, revision: 300)
        #expect(bench.run(milliseconds: 99).outcomes.isEmpty)
        #expect(bench.run(milliseconds: 1).outcomes == [.unknown])
    }

    @Test("protocol.md 4: a refusal over a lost link leaves the event where it is under way by now")
    func lateRefusal() throws {
        let (bench, first, second, token) = try forwardedTwice()
        let effects = bench.answer(first, token, .refused)
        #expect(effects.isEmpty)
        #expect(bench.core.book[token]?.place == .sent(second))
        #expect(bench.core.book[token]?.mayBeSealed == false)
        #expect(bench.sealed(second, token, as: 4).outcomes.map(\.number) == [4])
    }

    @Test("what a search finds that ends when nothing is sought any more changes nothing")
    func lateSearch() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.answer(link, token, .unknown)
        bench.send(.searched(token, under: nil, .absent))
        // Between two searches; this answer is to none of them.
        let found = try ReplicaBench.entry("a", as: 4)
        #expect(bench.send(.searched(token, under: nil, .found(found))).isEmpty)
        #expect(bench.run(milliseconds: 10).searched == [token])
    }

    @Test("protocol.md 5: the fence is certain only for what was never sent")
    func fence() throws {
        let (bench, link) = try ReplicaBench.following()
        let (sent, _) = bench.submit("sent", stream: 1)
        bench.notice(ReplicaBench.third, revision: 60)
        let (waiting, _) = bench.submit("waiting", stream: 1)
        let effects = bench.fence()
        #expect(effects.disconnected.contains(link))
        #expect(effects.answered == [sent, waiting])
        #expect(effects.outcomes == [.unknown, .notSealed(.rolledBack)])
    }

    @Test("protocol.md 5: what was lost sight of is unknown at the fence, and looked for no more")
    func fenceWhileOpen() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.linkDown(link)
        let effects = bench.fence()
        #expect(effects.answered == [token])
        #expect(effects.outcomes == [.unknown])
        #expect(effects.searched.isEmpty)
    }

    @Test("protocol.md 5: what only the own sealing machine has is for that one to answer")
    func fenceHere() throws {
        let bench = try ReplicaBench.sealing()
        let proposal = try required(bench.transact("in doubt", stream: 1))
        bench.submit("queued", stream: 1)
        #expect(bench.fence().outcomes == [.notSealed(.rolledBack), .unknown])
        #expect(bench.apply(proposal, revision: 9).isEmpty)
        // What is being hashed was never sent.
        let building = try ReplicaBench.sealing()
        building.submit("a", stream: 1)
        #expect(building.fence().outcomes == [.notSealed(.rolledBack)])
    }

    @Test("protocol.md 6: what was lost sight of is submitted again only while it may be sealed")
    func noNewAttemptAfterExpiry() throws {
        let (bench, first) = try ReplicaBench.following()
        let (token, _) = bench.submit("a", stream: 1)
        bench.pass(milliseconds: 49)
        // Beyond the time that it may be held it is tried here at once, but it cannot be sealed in time any more.
        let effects = bench.linkDown(first)
        #expect(effects.searched == [token])
        #expect(effects.batch.isEmpty)
        #expect(bench.run(milliseconds: 51).outcomes == [.unknown])
    }

    @Test("protocol.md 6: an answered event is never sent again, whatever becomes of its link")
    func answeredIsGone() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(bench.run(milliseconds: 100).answered == [token])
        let effects = bench.linkDown(link) + bench.run(milliseconds: 50)
        #expect(effects.sent.isEmpty)
        #expect(effects.batch.isEmpty)
    }

    @Test("the answer comes when its time is up, even if nobody else answers")
    func answerInTime() throws {
        let (bench, _) = try ReplicaBench.following()
        let (short, _) = bench.submit("a", deadlineIn: 45)
        let (long, _) = bench.submit("b")
        #expect(bench.run(milliseconds: 41).answered == [short])
        #expect(bench.run(milliseconds: 60).answered == [long])
    }

    // MARK: Found sealed (protocol.md 7)

    @Test("protocol.md 7: sealed above the known head by an earlier attempt, it is a success")
    func foundAbove() throws {
        let (bench, _, second, token) = try forwardedTwice(head: 10)
        let effects = bench.answer(second, token, .duplicate(of: 11))
        #expect(effects.originalsRead == [11])
        let original = try ReplicaBench.entry("a", as: 11)
        let end = bench.send(.searched(token, under: nil, .found(original)))
        #expect(end.outcomes.map(\.number) == [11])
    }

    @Test("protocol.md 7: sealed at or below the known head, it is a duplicate")
    func foundBelow() throws {
        let (bench, _, second, token) = try forwardedTwice(head: 11)
        bench.answer(second, token, .duplicate(of: 11))
        let original = try ReplicaBench.entry("a", as: 11)
        let end = bench.send(.searched(token, under: nil, .found(original)))
        #expect(end.outcomes == [.duplicate(of: original)])
    }

    @Test("protocol.md 7: without an earlier attempt it is a duplicate, whatever its number")
    func foundWithoutAttempt() throws {
        let (bench, link) = try ReplicaBench.following()
        bench.hear(of: 10, over: link)
        let (token, _) = bench.submit("a")
        bench.answer(link, token, .duplicate(of: 11))
        let original = try ReplicaBench.entry("a", as: 11)
        let end = bench.send(.searched(token, under: nil, .found(original)))
        #expect(end.outcomes == [.duplicate(of: original)])
    }

    @Test("what somebody else signed and had sealed is a duplicate, even above the known head")
    func foundOfOther() throws {
        let (bench, _, second, token) = try forwardedTwice(head: 10)
        bench.answer(second, token, .duplicate(of: 11))
        let original = try ReplicaBench.entry("a", as: 11, signature: "another")
        let end = bench.send(.searched(token, under: nil, .found(original)))
        #expect(end.outcomes == [.duplicate(of: original)])
    }

    @Test("a duplicate said by the lost attempt may be the later one's seal: then it is a success")
    func duplicateOfLaterAttempt() throws {
        let (bench, first, _, token) = try forwardedTwice(head: 10)
        // The second has sealed it as 11, whose answer is on its way; the first wakes and finds it sealed.
        #expect(bench.answer(first, token, .duplicate(of: 11)).originalsRead == [11])
        let original = try ReplicaBench.entry("a", as: 11)
        let end = bench.send(.searched(token, under: nil, .found(original)))
        #expect(end.outcomes.map(\.number) == [11])
    }

    @Test("another content under the id is a conflict, whoever finds it")
    func conflicts() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let told = bench.answer(link, token, .conflicting(with: 3, differs: [.metadata]))
        #expect(told.outcomes == [.conflicting(with: 3, differs: [.metadata])])
        let (other, _) = bench.submit("b")
        bench.answer(link, other, .unknown)
        let found = try ReplicaBench.entry("b", as: 4, payload: [9])
        let effects = bench.send(.searched(other, under: nil, .found(found)))
        #expect(effects.outcomes == [.conflicting(with: 4, differs: [.payload])])
    }

    @Test("an own sealing machine that finds it sealed by an earlier attempt has succeeded")
    func foundHere() throws {
        let (bench, first) = try ReplicaBench.following()
        let (token, _) = bench.submit("a", stream: 1)
        bench.linkDown(first)
        let (seen, block) = try required(bench.foreign("a", revision: 2))
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        bench.pass(milliseconds: 5)
        let plan = try required(bench.taken(take, lease: 2).plan)
        #expect(plan.submissions.map(\.token) == [token])
        let proposal = try required(bench.propose(plan))
        bench.end(proposal, .superseded(seen))
        let looked = try required(bench.send(.blocksRead(.success([block]))).lookUps.first)
        let original = try ReplicaBench.entry("a", as: 1)
        #expect(bench.lookedUp(looked, .found(original)).outcomes.map(\.number) == [1])
    }

    @Test("an original that cannot be read leaves the caller with unknown")
    func originalUnreadable() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.answer(link, token, .duplicate(of: 11))
        // What was found by its id before the number was known says nothing of what stands under that.
        #expect(bench.send(.searched(token, under: nil, .failed)).outcomes.isEmpty)
        #expect(bench.send(.searched(token, under: 11, .failed)).outcomes == [.unknown])
    }

    @Test("late answers to what was answered already change nothing")
    func lateAnswers() throws {
        let (bench, first, second, token) = try forwardedTwice()
        #expect(bench.sealed(first, token, as: 5).outcomes.map(\.number) == [5])
        for outcome in [
            ForwardOutcome.duplicate(of: 5), .conflicting(with: 5, differs: [.payload]), .unknown,
            .refused,
            .notSealed(Self.overloaded), .sealed(ReplicaBench.seal(5)),
        ] {
            let effects = bench.answer(second, token, outcome)
            #expect(effects.outcomes.isEmpty)
            #expect(effects.originalsRead.isEmpty)
        }
        #expect(bench.core.openEvents == 0)
    }

    @Test("what other replicas sealed is known from their answers when the next event comes")
    func knownHead() throws {
        let (bench, link) = try ReplicaBench.following()
        let (before, _) = bench.submit("before")
        bench.sealed(link, before, as: 20)
        let (token, _) = bench.submit("a")
        bench.answer(link, token, .unknown)
        let found = try ReplicaBench.entry("a", as: 20)
        let effects = bench.send(.searched(token, under: nil, .found(found)))
        #expect(effects.outcomes == [.duplicate(of: found)])
    }
}
