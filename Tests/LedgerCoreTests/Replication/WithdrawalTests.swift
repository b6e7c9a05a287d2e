import Testing

@testable import LedgerCore

/// Both machines are asked: the one that forwards, and the one that seals (PROTOCOL.md 3 and 6).
@Suite("Rejections and withdrawals of forwarded events")
struct WithdrawalTests {
    // MARK: PROTOCOL.md 3

    @Test("PROTOCOL.md 3: no rejection leaves this machine without the sealing machine being asked")
    func rejectionsAreAsked() throws {
        let (late, _) = try ReplicaBench.following()
        let expired = late.submit("a", deadlineIn: -1)
        #expect(expired.actions.rejected == [expired.token])

        let (full, _) = try ReplicaBench.following(settings: SealingSettings(maxQueuedBytes: 1))
        let overloaded = full.submit("a")
        #expect(overloaded.actions.rejected == [overloaded.token])

        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let answer = bench.answer(link, token, .notSealed(.overloaded(retryAfter: .zero)))
        #expect(answer.rejected == [token])

        let held = ReplicaBench()
        let (waiting, _) = held.submit("a", deadlineIn: 10)
        #expect(held.run(milliseconds: 60).rejected.contains(waiting))
    }

    // MARK: PROTOCOL.md 6

    @Test("PROTOCOL.md 6: a cancelled event that is sealed here is called off there, in order")
    func cancelledHere() throws {
        let bench = try ReplicaBench.sealing()
        let (token, _) = bench.submit("a", stream: 1)
        let actions = bench.send { $0.cancel(token, at: $1) }
        #expect(actions.withdrawn == [token])
        // The sealing machine says what became of it.
        #expect(actions.outcomes.isEmpty)
        #expect(
            bench.sealedHere(token, .notSealed(.deadlineExceeded)).outcomes
                == [.notSealed(.deadlineExceeded)])
    }

    /// An event that was lost sight of with one sealer, and is with the own sealing machine now.
    private func openElsewhere() throws -> (ReplicaBench, SubmissionToken) {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        _ = bench.linkDown(link)
        let take = try required(bench.read(nil).take)
        #expect(bench.taken(take, lease: 1).sealedHere == [token])
        return (bench, token)
    }

    @Test("PROTOCOL.md 6: who is told \"unknown\" does not find the event in a transaction later")
    func answeredHere() throws {
        let (bench, token) = try openElsewhere()
        let actions = bench.send { $0.cancel(token, at: $1) }
        #expect(actions.outcomes == [.unknown])
        #expect(actions.withdrawn == [token])

        let (overdue, waiting) = try openElsewhere()
        let late = overdue.run(milliseconds: 101)
        #expect(late.outcomes == [.unknown])
        #expect(late.withdrawn == [waiting])
    }

    @Test("PROTOCOL.md 6: sealed by one attempt, it is called off where it waits for another")
    func sealedElsewhere() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        _ = bench.linkDown(link)
        let second = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        #expect(bench.linkUp(second).sent == [[token]])
        // The first one's answer was on its way.
        #expect(bench.sealed(link, token, as: 4).recalled == [token])
    }

    @Test("PROTOCOL.md 6: a cancelled event that was forwarded is recalled from the sealer")
    func cancelledForward() throws {
        let (bench, _) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let actions = bench.send { $0.cancel(token, at: $1) }
        #expect(actions.outcomes == [.unknown])
        #expect(actions.recalled == [token])
    }

    @Test("what was answered by its only attempt is called off nowhere")
    func nothingToCallOff() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let sealed = bench.sealed(link, token, as: 1)
        #expect(sealed.withdrawn.isEmpty && sealed.recalled.isEmpty)
        let here = try ReplicaBench.sealing()
        let (own, _) = here.submit("a", stream: 1)
        let done = here.sealedHere(own, .sealed(ReplicaBench.seal(1), latency: .zero))
        #expect(done.withdrawn.isEmpty && done.recalled.isEmpty)
    }

    @Test("a look-up that nobody waits for any more is not wanted")
    func unwantedLookUps() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let actions = bench.answer(link, token, .duplicate(of: 3))
        #expect(actions.originalsRead == [3])
        #expect(bench.machine.awaits(.readOriginal(token, 3)))
        _ = bench.send { $0.cancel(token, at: $1) }
        #expect(!bench.machine.awaits(.readOriginal(token, 3)))
    }

    // MARK: Other reasons

    @Test(
        "a sealer that cannot seal for a reason of its own is left, and nothing is rejected",
        arguments: [NotSealedReason.clockUnsampled, .releaseRefused, .unknownFormat])
    func otherReplicaUnable(reason: NotSealedReason) throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let actions = bench.answer(link, token, .notSealed(reason))
        #expect(actions.outcomes.isEmpty)
        #expect(actions.readsHint)
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
        let actions = bench.send { $0.abilityChanged(.releaseRefused, at: $1) }
        #expect(actions.givenBack == 1)
        #expect(bench.read(nil).take == nil)
    }
}

extension ReplicaStateMachine {
    fileprivate mutating func cancel(
        _ token: SubmissionToken, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        cancel(token) ?? []
    }
}
