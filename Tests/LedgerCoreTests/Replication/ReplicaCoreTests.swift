import Testing

@testable import LedgerCore

/// What holds where the parts of a replica meet.
@Suite("The core of a replica")
struct ReplicaCoreTests {
    @Test("the answers of a batch are one effect, in the order of their numbers")
    func oneEffect() throws {
        let bench = ReplicaBench.alone()
        let first = try required(bench.transact("first"))
        let tokens = (0..<50).map { bench.submit("e\($0)", stream: UInt64($0 % 5)).token }
        let plan = try required(bench.apply(first, revision: 2).plan)
        let effects = bench.apply(try required(bench.propose(plan)), revision: 3)
        guard case .answer(let answers)? = effects.first, effects.count == 1 else {
            Issue.record("\(effects.count) effects")
            return
        }
        #expect(answers.map(\.submission.token) == tokens)
        #expect(answers.map(\.outcome.number) == (2...51).map { UInt64($0) })
    }

    @Test("the answers that one message brings over a link are one effect")
    func oneEffectOverLink() throws {
        let (bench, link) = try ReplicaBench.following()
        let tokens = (0..<3).map { bench.submit("e\($0)").token }
        let outcomes = tokens.enumerated().map { place, token in
            (token, ForwardOutcome.sealed(ReplicaBench.seal(UInt64(place) + 1)))
        }
        let effects = bench.send(.answered(link, outcomes))
        #expect(effects.count == 1)
        #expect(effects.outcomes.map(\.number) == [1, 2, 3])
    }

    // MARK: Events that other replicas forward

    @Test("protocol.md 19: who does not seal refuses what is forwarded, and does not send it on")
    func refusesForwards() throws {
        let (bench, _) = try ReplicaBench.following()
        let (tokens, effects) = bench.forwarded("a", "b")
        #expect(effects.count == 1)
        #expect(effects.answered == tokens)
        #expect(effects.outcomes == [.notSealed(.notSealing), .notSealed(.notSealing)])
        let idle = ReplicaBench.alone().forwarded("a").effects
        #expect(idle.outcomes == [.notSealed(.notSealing)])
        #expect(idle.plan == nil)
    }

    @Test("a forwarder hears of that as a refusal, so that it asks another replica")
    func refusalOnTheWire() {
        #expect(ForwardOutcome(.notSealed(.notSealing)) == .refused)
        #expect(ForwardOutcome(.notSealed(.stopping)) == .notSealed(.stopping))
        #expect(ForwardOutcome(.unknown) == .unknown)
        #expect(
            ForwardOutcome(.sealed(ReplicaBench.seal(4), latency: .milliseconds(3)))
                == .sealed(ReplicaBench.seal(4)))
    }

    @Test("the holder of the hint seals what is forwarded, whole messages in one batch")
    func sealsForwards() throws {
        let bench = try ReplicaBench.sealing()
        let first = try required(bench.transact("under way"))
        let (tokens, effects) = bench.forwarded("a", "b", "c")
        #expect(effects.isEmpty)
        let plan = try required(bench.apply(first, revision: 2).plan)
        #expect(plan.submissions.map(\.token) == tokens)
        let sealed = bench.apply(try required(bench.propose(plan)), revision: 3)
        #expect(sealed.outcomes.map(\.number) == [2, 3, 4])
    }

    @Test("protocol.md 19: what was forwarded to a sealer that is deposed goes to nobody else")
    func forwardedToDeposed() throws {
        let bench = try ReplicaBench.sealing()
        let first = try required(bench.transact("under way"))
        let (tokens, _) = bench.forwarded("a")
        let link = try required(bench.notice(ReplicaBench.other, revision: 300).connected)
        #expect(bench.send(.linkUp(link)).sent.isEmpty)
        #expect(bench.apply(first, revision: 2).batch == tokens)
    }

    @Test("a sealer that stops and has given its hint back takes nothing more")
    func stoppingTakesNothing() throws {
        let bench = try ReplicaBench.sealing()
        bench.send(.leaving(to: nil))
        #expect(bench.forwarded("a").effects.plan != nil)
        bench.send(.stopping)
        #expect(bench.forwarded("b").effects.outcomes == [.notSealed(.notSealing)])
    }

    // MARK: protocol.md 3, at the one place where claims are made

    @Test(
        "protocol.md 3: a certain rejection becomes unknown only while the same id is in the own open transaction"
    )
    func claims() throws {
        let bench = try ReplicaBench.sealing()
        let proposal = try required(bench.transact("a"))
        let twins = (0..<2).map { _ in bench.submit("a").token }
        let (other, _) = bench.submit("b")
        #expect(bench.cancel(twins[0]).outcomes == [.unknown])
        #expect(bench.cancel(other).outcomes == [.notSealed(.deadlineExceeded)])
        // Certainly not applied: from then on it is in no transaction.
        let refused = bench.end(proposal, .refused)
        #expect(refused.outcomes.isEmpty)
        #expect(bench.cancel(twins[1]).outcomes == [.notSealed(.deadlineExceeded)])
    }

    @Test("protocol.md 3: what is said with certainty of a sealed event is said all the same")
    func sealedClaims() throws {
        let bench = try ReplicaBench.sealing()
        bench.seal("old", revision: 2)
        let twin = try required(bench.submit("old").effects.lookUps.first)
        let original = try ReplicaBench.entry("old", as: 1)
        #expect(bench.lookedUp(twin, .found(original)).outcomes == [.duplicate(of: original)])
    }

    @Test("protocol.md 3: after the fence the transaction that was open stays open for ever")
    func claimsAfterFence() throws {
        let bench = try ReplicaBench.sealing()
        _ = try required(bench.transact("a"))
        #expect(bench.fence().outcomes == [.unknown])
        #expect(bench.run(milliseconds: 10_000).isEmpty)
        #expect(bench.submit("a").effects.outcomes == [.unknown])
        #expect(bench.submit("b").effects.outcomes == [.notSealed(.rolledBack)])
    }

    // MARK: Attempts of both kinds

    @Test(
        "a duplicate said over a lost link may be the own transaction's seal: then it is a success")
    func duplicateOfOwnAttempt() throws {
        let (bench, link) = try ReplicaBench.following()
        bench.hear(of: 10, over: link)
        let (token, _) = bench.submit("a")
        bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        let plan = try required(bench.taken(take, lease: 2).plan)
        let proposal = try required(bench.propose(plan))
        // Applied as 11, and its answer is on its way; the other replica finds it sealed and says so.
        #expect(bench.answer(link, token, .duplicate(of: 11)).originalsRead == [11])
        let original = try ReplicaBench.entry("a", as: 11)
        let found = bench.send(.searched(token, under: nil, .found(original)))
        #expect(found.outcomes.map(\.number) == [11])
        #expect(bench.apply(proposal, revision: 9).outcomes.isEmpty)
    }

    @Test("an event that is sealed here meanwhile is looked up no more where it was lost sight of")
    func sealedHereWhileOpen() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        let plan = try required(bench.taken(take, lease: 2).plan)
        let proposal = try required(bench.propose(plan))
        let sealed = bench.apply(proposal, revision: 2)
        #expect(sealed.answered == [token])
        #expect(sealed.outcomes.map(\.number) == [1])
        #expect(bench.core.openEvents == 0)
    }

    // MARK: What is known of the ledger

    @Test("protocol.md 7: what was found sealed, and what was sealed here, is known from then on")
    func knownNumbers() throws {
        let (bench, link) = try ReplicaBench.following()
        let tokens = (0..<2).map { bench.submit("e\($0)").token }
        bench.answer(link, tokens[0], .unknown)
        let found = try ReplicaBench.entry("e0", as: 30)
        #expect(
            bench.send(.searched(tokens[0], under: nil, .found(found))).outcomes.map(\.number) == [
                30
            ])
        let (later, _) = bench.submit("later")
        bench.answer(link, later, .unknown)
        let old = try ReplicaBench.entry("later", as: 30)
        #expect(
            bench.send(.searched(later, under: nil, .found(old))).outcomes == [.duplicate(of: old)])

        let own = try ReplicaBench.sealing()
        own.seal("first", revision: 2)
        let next = try required(own.notice(ReplicaBench.other, revision: 300).connected)
        own.send(.linkUp(next))
        let (token, _) = own.submit("a")
        own.answer(next, token, .unknown)
        let first = try ReplicaBench.entry("a", as: 1)
        #expect(
            own.send(.searched(token, under: nil, .found(first))).outcomes == [
                .duplicate(of: first)
            ])
    }

    @Test("that etcd has no space is known from the sealer's answer")
    func sealerHasNoSpace() throws {
        let (bench, link) = try ReplicaBench.following()
        let answer = bench.answer(link, bench.submit("a").token, .notSealed(.storageFull))
        #expect(answer.outcomes == [.notSealed(.storageFull)])
        #expect(bench.core.obstacle(at: bench.moment) == .storageFull)
        bench.send(.membersChecked(isFull: false, releaseIsRefused: false))
        #expect(bench.core.obstacle(at: bench.moment) == nil)
    }

    @Test("what an old link answers says nothing of the sealer that is followed now")
    func oldLinkShowsNothing() throws {
        let (bench, old) = try ReplicaBench.following()
        let (first, _) = bench.submit("a")
        let next = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        bench.send(.linkUp(next))
        bench.submit("b")
        bench.pass(milliseconds: 9)
        bench.sealed(old, first, as: 4)
        // The silence of the new one is as long as before.
        #expect(bench.tick(afterMilliseconds: 1).readsHint)
    }

    // MARK: Streams

    @Test("a stream that is watched is told of whenever one of its events leaves its place")
    func roomChanges() throws {
        let (bench, link) = try ReplicaBench.following()
        let stream = StreamID(rawValue: 1)
        let tokens = (0..<3).map { bench.submit("e\($0)", stream: 1).token }
        #expect(bench.core.load(of: stream) == 3)
        bench.sealed(link, tokens[0], as: 1)
        #expect(bench.takeRoomChanges().isEmpty)
        bench.watch(stream)
        bench.sealed(link, tokens[1], as: 2)
        #expect(bench.core.load(of: stream) == 1)
        #expect(bench.takeRoomChanges() == [stream])
        #expect(bench.takeRoomChanges().isEmpty)
    }

    @Test(
        "where it is sealed here the load of a stream is what waits, without what is in the batch")
    func loads() throws {
        let bench = try ReplicaBench.sealing()
        let proposal = try required(bench.transact("a", stream: 1))
        bench.submit("b", stream: 1)
        #expect(bench.core.load(of: StreamID(rawValue: 1)) == 1)
        #expect(!bench.core.isCountingUnderWay)
        bench.apply(proposal, revision: 2)
        #expect(bench.core.load(of: StreamID(rawValue: 1)) == 0)
    }

    @Test("a replica that stops reads every stream on, to refuse what comes")
    func stoppingReadsOn() throws {
        let bench = ReplicaBench()
        bench.submit("a", stream: 1)
        let stream = StreamID(rawValue: 1)
        #expect(!bench.core.mayRead(stream, at: bench.now))
        bench.send(.stopping)
        #expect(bench.core.mayRead(stream, at: bench.now))
    }

    // MARK: Races

    @Test("without a hint a lost race is followed by a pause, with it by the next batch at once")
    func precedence() throws {
        for isSealer in [true, false] {
            let bench = try isSealer ? ReplicaBench.sealing() : direct()
            let (seen, block) = try required(bench.foreign("other", revision: 2))
            let (token, effects) = bench.submit("a")
            let plan = try required(effects.plan)
            bench.end(try required(bench.propose(plan)), .superseded(seen))
            let next = bench.send(.blocksRead(.success([block])))
            #expect(next.reports == [.lostRace])
            #expect(next.batch == (isSealer ? [token] : []))
            if !isSealer { #expect(bench.run(milliseconds: 4).batch == [token]) }
        }
    }

    /// A replica that seals beside the holder of the hint.
    private func direct() throws -> ReplicaBench {
        let (bench, link) = try ReplicaBench.following()
        bench.linkDown(link)
        let take = try required(bench.read(ReplicaBench.other, revision: 50).take)
        bench.lost(take, to: ReplicaBench.other, revision: 50, counter: 9)
        #expect(bench.core.part == "direct")
        return bench
    }
}
