import Testing

@testable import LedgerCore

/// protocol.md 21: the numbers answered as sealed ascend within a stream.
@Suite("The order within a stream")
struct StreamPathTests {
    @Test("protocol.md 21: forwards of a stream go over one link, in order of submission")
    func order() throws {
        let (bench, link) = try ReplicaBench.following()
        for number in 0..<5 {
            let (token, effects) = bench.submit("e\(number)", stream: 1)
            #expect(effects.sent == [[token]])
            #expect(effects.sentOver == link)
        }
    }

    @Test("protocol.md 21: later events wait until the earlier ones' link has answered")
    func oneLinkAtATime() throws {
        let (bench, old) = try ReplicaBench.following()
        let (first, _) = bench.submit("a", stream: 1)
        let new = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        bench.send(.linkUp(new))
        let (second, held) = bench.submit("b", stream: 1)
        #expect(held.isEmpty)
        let (other, free) = bench.submit("c", stream: 2)
        #expect(free.sent == [[other]])
        let (unary, alone) = bench.submit("d")
        #expect(alone.sent == [[unary]])
        let effects = bench.sealed(old, first, as: 3)
        #expect(effects.sent == [[second]])
        #expect(effects.sentOver == new)
    }

    @Test("protocol.md 21: what is sealed here waits for what was forwarded, and the other way")
    func hereAndThere() throws {
        let (bench, link) = try ReplicaBench.following()
        let (first, _) = bench.submit("a", stream: 1)
        let take = try required(bench.send(.farewell(link)).take)
        bench.taken(take, lease: 2)
        let (second, held) = bench.submit("b", stream: 1)
        #expect(held.batch.isEmpty)
        let freed = bench.sealed(link, first, as: 3)
        #expect(freed.batch == [second])
        let proposal = try required(freed.plan.flatMap { bench.propose($0) })
        let next = try required(bench.notice(ReplicaBench.third, revision: 300).connected)
        bench.send(.linkUp(next))
        let (third, waiting) = bench.submit("c", stream: 1)
        #expect(waiting.sent.isEmpty)
        #expect(bench.apply(proposal, revision: 2).sent == [[third]])
    }

    @Test("waiting for earlier events of a stream asks for no wake in the past")
    func waitingCostsNothing() throws {
        let (bench, link) = try ReplicaBench.following()
        bench.submit("a", stream: 1)
        bench.send(.farewell(link))
        bench.submit("b", stream: 1)
        // Held for longer than an election may take, and still not free to go.
        for _ in 0..<30 { bench.tick(afterMilliseconds: 1) }
    }

    @Test("protocol.md 21: what was lost sight of together goes together, before later events")
    func lostTogether() throws {
        let (bench, old) = try ReplicaBench.following()
        let tokens = (0..<3).map { bench.submit("e\($0)", stream: 1).token }
        bench.linkDown(old)
        let (later, _) = bench.submit("later", stream: 1)
        let new = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        #expect(bench.send(.linkUp(new)).sent == [tokens])
        // After an open attempt the stream's later events wait for that event's answer.
        #expect(bench.sealed(new, tokens[0], as: 3).sent.isEmpty)
        #expect(bench.sealed(new, tokens[1], as: 4).sent.isEmpty)
        #expect(bench.sealed(new, tokens[2], as: 5).sent == [[later]])
    }

    @Test("protocol.md 21: after an unknown answer later events wait for that event's end")
    func afterUnknown() throws {
        let (bench, link) = try ReplicaBench.following()
        let (first, _) = bench.submit("a", stream: 1)
        bench.answer(link, first, .unknown)
        bench.pass(milliseconds: 60)
        let (second, held) = bench.submit("b", stream: 1)
        #expect(held.sent.isEmpty)
        bench.send(.searched(first, under: nil, .absent))
        let end = bench.run(milliseconds: 42)
        #expect(end.answered == [first])
        #expect(end.sent == [[second]])
    }

    @Test("protocol.md 21: a rejection does not stop later events")
    func afterRejection() throws {
        let (bench, link) = try ReplicaBench.following()
        let tokens = (0..<2).map { bench.submit("e\($0)", stream: 1).token }
        let overloaded = NotSealedReason.overloaded(retryAfter: .zero)
        bench.answer(link, tokens[0], .notSealed(overloaded))
        #expect(bench.sealed(link, tokens[1], as: 3).outcomes.map(\.number) == [3])
        #expect(bench.submit("later", stream: 1).effects.sent.count == 1)
    }

    @Test("refused events of a stream go elsewhere in their order, with those that came meanwhile")
    func refusedInOrder() throws {
        let (bench, old) = try ReplicaBench.following()
        let tokens = (0..<3).map { bench.submit("e\($0)", stream: 1).token }
        bench.send(.answered(old, [(tokens[0], .refused), (tokens[1], .refused)]))
        let (later, _) = bench.submit("later", stream: 1)
        let new = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        #expect(bench.send(.linkUp(new)).sent.isEmpty)
        // The last of the three is with the old one still; its end lets all go.
        let effects = bench.answer(old, tokens[2], .refused)
        #expect(effects.sent == [tokens + [later]])
        #expect(effects.disconnected == [old])
    }

    // MARK: What the caller is told

    private func sealed(_ number: UInt64) -> SubmissionOutcome {
        .sealed(ReplicaBench.seal(number), latency: .zero)
    }

    @Test("protocol.md 21: a lower number than one already told is told as a duplicate")
    func guarded() throws {
        var order = StreamOrder()
        let event = ReplicaBench.event("a", payload: [1])
        let outcomes = [5, 7, 6, 8].map { order.next(sealed($0), of: event) }
        #expect(outcomes[0] == sealed(5))
        #expect(outcomes[1] == sealed(7))
        let seal = ReplicaBench.seal(6)
        let entry = Entry(
            sequenceNumber: 6, event: event, sealedTimestamp: seal.sealedTimestamp,
            previousHash: seal.previousHash)
        #expect(
            outcomes[2] == .duplicate(of: SealedEntry(entry: entry, eventHash: seal.eventHash)))
        #expect(outcomes[3] == sealed(8))
    }

    @Test("what is not sealed changes nothing of a stream's order")
    func unguarded() throws {
        var order = StreamOrder()
        let event = ReplicaBench.event("a")
        let original = try ReplicaBench.entry("a", as: 9)
        let others: [SubmissionOutcome] = [
            .duplicate(of: original), .conflicting(with: 9, differs: [.payload]), .unknown,
            .notSealed(.stopping),
        ]
        let told = others.map { order.next($0, of: event) }
        #expect(told == others)
        let next = order.next(sealed(2), of: event)
        #expect(next == sealed(2))
    }
}
