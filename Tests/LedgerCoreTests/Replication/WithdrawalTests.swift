import Testing

@testable import LedgerCore

/// What is said with certainty, and what is called off: of both ways of an event, here and over a link, is one book
/// kept (protocol.md 3 and 6).
@Suite("Rejections and withdrawals of forwarded events")
struct WithdrawalTests {
    // MARK: protocol.md 3

    /// A follower with an own transaction of "a" whose fate is open.
    private func followingInDoubt(
        settings: SealingSettings = SealingSettings()
    ) throws -> (ReplicaBench, LinkID, Proposal) {
        let bench = try ReplicaBench.sealing(settings: settings)
        let proposal = try required(bench.transact("a"))
        bench.end(proposal, .unknown)
        let link = try required(bench.notice(ReplicaBench.other, revision: 300).connected)
        bench.send(.linkUp(link))
        return (bench, link, proposal)
    }

    @Test("protocol.md 3: no rejection leaves this machine without the sealing machine being asked")
    func rejectionsAreAsked() throws {
        let overloaded = NotSealedReason.overloaded(retryAfter: .milliseconds(50))
        let (bench, link, proposal) = try followingInDoubt()
        #expect(bench.submit("a", deadlineIn: -1).effects.outcomes == [.unknown])
        let other = bench.submit("b", deadlineIn: -1).effects
        #expect(other.outcomes == [.notSealed(.deadlineExceeded)])

        let answers = ["a", "b"].map {
            bench.answer(link, bench.submit($0).token, .notSealed(overloaded)).outcomes
        }
        #expect(answers == [[.unknown], [.notSealed(overloaded)]])

        bench.linkDown(link)
        let tokens = ["a", "b"].map { bench.submit($0, deadlineIn: 10).token }
        let held = bench.run(milliseconds: 6)
        #expect(held.answered == tokens)
        #expect(held.outcomes == [.unknown, .notSealed(.deadlineExceeded)])
        let cancelled = ["a", "b"].map { bench.cancel(bench.submit($0).token).outcomes }
        #expect(cancelled == [[.unknown], [.notSealed(.deadlineExceeded)]])
        // It was applied: from now on nothing is open.
        bench.apply(proposal, revision: 2)
        let settled = bench.submit("a", deadlineIn: -1).effects
        #expect(settled.outcomes == [.notSealed(.deadlineExceeded)])

        let (full, _, _) = try followingInDoubt(settings: SealingSettings(maxQueuedEvents: 1))
        #expect(full.submit("a").effects.outcomes == [.unknown])
        #expect(full.submit("b").effects.outcomes == [.notSealed(overloaded)])
    }

    @Test(
        "protocol.md 3: what is refused because the replica stops or does not seal is asked as well"
    )
    func refusalsAreAsked() throws {
        let (bench, _, _) = try followingInDoubt()
        let (_, effects) = bench.forwarded("a", "b")
        #expect(effects.outcomes == [.unknown, .notSealed(.notSealing)])
        bench.send(.stopping)
        #expect(bench.submit("a").effects.outcomes == [.unknown])
        #expect(bench.submit("b").effects.outcomes == [.notSealed(.stopping)])
    }

    // MARK: protocol.md 6

    @Test("protocol.md 6: a cancelled event that is sealed here is called off there, in order")
    func cancelledHere() throws {
        let bench = try ReplicaBench.sealing()
        let proposal = try required(bench.transact("under way", stream: 1))
        let tokens = (0..<3).map { bench.submit("e\($0)", stream: 1).token }
        #expect(bench.cancel(tokens[1]).outcomes == [.notSealed(.deadlineExceeded)])
        #expect(bench.apply(proposal, revision: 2).batch == [tokens[0], tokens[2]])
    }

    /// An event that was lost sight of with one sealer, and waits here behind a transaction.
    private func openElsewhere() throws -> (ReplicaBench, SubmissionToken, Proposal) {
        let bench = try ReplicaBench.sealing()
        let proposal = try required(bench.transact("under way"))
        let link = try required(bench.notice(ReplicaBench.other, revision: 300).connected)
        bench.send(.linkUp(link))
        let (token, effects) = bench.submit("a")
        #expect(effects.sent == [[token]])
        bench.linkDown(link)
        bench.taken(try required(bench.read(nil).take), lease: 2)
        #expect(bench.core.book[token]?.place == .queued)
        return (bench, token, proposal)
    }

    @Test("protocol.md 6: who is told \"unknown\" does not find the event in a transaction later")
    func answeredHere() throws {
        let (bench, token, proposal) = try openElsewhere()
        #expect(bench.cancel(token).outcomes == [.unknown])
        #expect(bench.apply(proposal, revision: 2).batch.isEmpty)

        let (overdue, waiting, open) = try openElsewhere()
        let late = overdue.run(milliseconds: 101)
        #expect(late.answered.contains(waiting))
        #expect(late.outcomes == [.unknown, .unknown])
        #expect(overdue.apply(open, revision: 2).batch.isEmpty)
    }

    @Test("protocol.md 6: sealed by one attempt, it is called off where it waits for another")
    func sealedElsewhere() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.linkDown(link)
        let second = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        #expect(bench.send(.linkUp(second)).sent == [[token]])
        // The first one's answer was on its way.
        #expect(bench.sealed(link, token, as: 4).recalled == [token])
        let (here, waiting, proposal) = try openElsewhere()
        #expect(here.sealed(LinkID(rawValue: 1), waiting, as: 4).outcomes.map(\.number) == [4])
        #expect(here.apply(proposal, revision: 2).batch.isEmpty)
    }

    @Test("protocol.md 6: said to be sealed over one link, it is called off where it is under way")
    func sealedElsewhereBefore() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.linkDown(link)
        let second = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        #expect(bench.send(.linkUp(second)).sent == [[token]])
        let effects = bench.answer(link, token, .duplicate(of: 4))
        #expect(effects.originalsRead == [4])
        #expect(effects.recalled == [token])
    }

    @Test("protocol.md 6: a cancelled event that was forwarded is recalled from the sealer")
    func cancelledForward() throws {
        let (bench, _) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let effects = bench.cancel(token)
        #expect(effects.outcomes == [.unknown])
        #expect(effects.recalled == [token])
    }

    @Test("protocol.md 6: what a link takes back at once goes out in one message")
    func recalledTogether() throws {
        let (bench, link) = try ReplicaBench.following()
        let tokens = (0..<3).map { bench.submit("e\($0)").token }
        let effects = bench.send(.cancelled(tokens))
        #expect(effects.count == 2)
        #expect(effects.recalled == tokens)
        #expect(effects.outcomes == [.unknown, .unknown, .unknown])
        guard case .recall(link, _)? = effects.first else {
            Issue.record("\(effects)")
            return
        }
    }

    @Test("what was answered by its only attempt is called off nowhere")
    func nothingToCallOff() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(bench.sealed(link, token, as: 1).recalled.isEmpty)
        let here = try ReplicaBench.sealing()
        let proposal = try required(here.transact("a", stream: 1))
        let done = here.apply(proposal, revision: 2)
        #expect(done.outcomes.map(\.number) == [1])
        #expect(done.recalled.isEmpty && done.batch.isEmpty)
    }

    @Test("a look-up that nobody waits for any more is not wanted")
    func unwantedLookUps() throws {
        let (bench, link) = try ReplicaBench.following(settings: SealingSettings(maxLookUps: 1))
        let tokens = (0..<3).map { bench.submit("e\($0)").token }
        let effects = tokens.flatMap { bench.answer(link, $0, .duplicate(of: 3)) }
        #expect(effects.originalsRead == [3])
        #expect(bench.core.searchCounts == (1, 2))
        bench.cancel(tokens[0])
        bench.cancel(tokens[1])
        let original = try ReplicaBench.entry("e0", as: 3)
        let next = bench.send(.searched(tokens[0], under: nil, .found(original)))
        #expect(next.outcomes.isEmpty)
        guard case .search(let submission, under: 3)? = next.first, next.count == 1 else {
            Issue.record("\(next)")
            return
        }
        #expect(submission.token == tokens[2])
        #expect(bench.core.searchCounts == (1, 0))
    }

    // MARK: Other reasons

    @Test(
        "a sealer that cannot seal for a reason of its own is left, and nothing is rejected",
        arguments: [NotSealedReason.clockUnsampled, .releaseRefused, .unknownFormat, .notSealing])
    func otherReplicaUnable(reason: NotSealedReason) throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let effects = bench.answer(link, token, .notSealed(reason))
        #expect(effects.outcomes.isEmpty)
        #expect(effects.readsHint)
    }

    @Test("without a quorum the sealer's word is the answer")
    func noQuorum() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(
            bench.answer(link, token, .notSealed(.noQuorum)).outcomes == [.notSealed(.noQuorum)])
    }

    @Test("for a member of a refused release the hint is given back, and none is taken")
    func refusedRelease() throws {
        let bench = try ReplicaBench.sealing()
        let effects = bench.send(.membersChecked(isFull: nil, releaseIsRefused: true))
        #expect(effects.givenBack == 1)
        #expect(bench.read(nil).take == nil)
    }
}
