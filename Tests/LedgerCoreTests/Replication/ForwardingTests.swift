import Testing

@testable import LedgerCore

@Suite("Forwarding")
struct ForwardingTests {
    @Test("protocol.md 23: what has waited for the link goes in one message, in order of arrival")
    func batch() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let tokens = (0..<5).map { bench.submit("e\($0)", stream: $0 % 2 == 0 ? 1 : nil).token }
        let effects = bench.send(.linkUp(link))
        #expect(effects.sent == [tokens])
        #expect(effects.sentOver == link)
    }

    @Test("an event is answered with the seal, and the time that it took")
    func sealed() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.pass(milliseconds: 7)
        let effects = bench.sealed(link, token, as: 4)
        #expect(effects.outcomes == [.sealed(ReplicaBench.seal(4), latency: .milliseconds(7))])
        #expect(bench.core.openEvents == 0)
        #expect(bench.sealed(link, token, as: 4).isEmpty)
    }

    @Test("where it is sealed here unary events go straight on, those of streams are kept in order")
    func sealingHere() throws {
        let bench = try ReplicaBench.sealing()
        let (unary, passed) = bench.submit("a")
        #expect(passed.batch == [unary])
        let tokens = (0..<3).map { bench.submit("b\($0)", stream: 1).token }
        let proposal = try required(passed.plan.flatMap { bench.propose($0) })
        let sealed = bench.apply(proposal, revision: 2)
        #expect(sealed.outcomes.map(\.number) == [1])
        #expect(sealed.batch == tokens)
        let next = try required(sealed.plan.flatMap { bench.propose($0) })
        #expect(bench.apply(next, revision: 3).outcomes.map(\.number) == [2, 3, 4])
    }

    @Test("protocol.md 6: what expires while it waits is certainly not sealed, and goes nowhere")
    func expiry() throws {
        let bench = ReplicaBench(wall: .untrusted)
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let (token, _) = bench.submit("a", deadlineIn: 15)
        let effects = bench.run(milliseconds: 10)
        #expect(effects.answered == [token])
        #expect(effects.outcomes == [.notSealed(.deadlineExceeded)])
        #expect(bench.send(.linkUp(link)).sent.isEmpty)
    }

    @Test("what expires while etcd does not answer is told so")
    func storeUnavailable() {
        let bench = ReplicaBench()
        bench.submit("a", deadlineIn: 15)
        bench.send(.hintRead(.unavailable))
        #expect(bench.run(milliseconds: 10).outcomes == [.notSealed(.storeUnavailable)])
    }

    @Test("protocol.md 6: an event whose time is over is refused at once")
    func tooLate() throws {
        let (bench, _) = try ReplicaBench.following()
        let (_, effects) = bench.submit("a", deadlineIn: 5)
        #expect(effects.outcomes == [.notSealed(.deadlineExceeded)])
        #expect(effects.sent.isEmpty)
    }

    @Test("protocol.md 6: a forward carries the times by which it must be sealed and answered")
    func times() throws {
        let (bench, _) = try ReplicaBench.following()
        let (_, effects) = bench.submit("a", deadlineIn: 40)
        guard case .send(_, let batch)? = effects.first else {
            Issue.record("nothing was forwarded")
            return
        }
        #expect(batch.map(\.commitBy) == [bench.now + .milliseconds(35)])
        #expect(batch.map(\.answerBy) == [bench.now + .milliseconds(35)])
    }

    // MARK: Bounds

    @Test("more events than may wait are refused as OVERLOADED")
    func tooManyEvents() throws {
        let (bench, link) = try ReplicaBench.following(
            settings: SealingSettings(maxQueuedEvents: 3))
        let tokens = (0..<3).map { bench.submit("e\($0)").token }
        let overloaded = NotSealedReason.overloaded(retryAfter: .milliseconds(50))
        #expect(bench.submit("more").effects.outcomes == [.notSealed(overloaded)])
        bench.sealed(link, tokens[1], as: 4)
        #expect(bench.submit("again").effects.sent.count == 1)
    }

    @Test("more bytes than may wait are refused as OVERLOADED, forwarded ones included")
    func tooManyBytes() throws {
        let probe = ReplicaBench().submission("e0").byteCount
        let (bench, link) = try ReplicaBench.following(
            settings: SealingSettings(maxQueuedBytes: 3 * probe))
        let tokens = (0..<3).map { bench.submit("e\($0)").token }
        let overloaded = NotSealedReason.overloaded(retryAfter: .milliseconds(50))
        #expect(bench.submit("e3").effects.outcomes == [.notSealed(overloaded)])
        bench.sealed(link, tokens[0], as: 4)
        #expect(bench.submit("e4").effects.sent.count == 1)
    }

    @Test("a stream is read as far as the window allows, and shares it with other streams")
    func window() throws {
        let (bench, link) = try ReplicaBench.following()
        let one = StreamID(rawValue: 1)
        var tokens: [SubmissionToken] = []
        while bench.core.mayRead(one, at: bench.now), tokens.count < 5_000 {
            tokens.append(bench.submit("e\(tokens.count)", stream: 1).token)
        }
        #expect(tokens.count == 512)
        #expect(bench.core.mayRead(StreamID(rawValue: 2), at: bench.now))
        bench.submit("other", stream: 2)
        for token in tokens.prefix(50) { bench.sealed(link, token, as: token.rawValue) }
        #expect(!bench.core.mayRead(one, at: bench.now))
        for token in tokens.dropFirst(50).prefix(350) {
            bench.sealed(link, token, as: token.rawValue)
        }
        #expect(bench.core.mayRead(one, at: bench.now))
    }

    @Test("a stream whose events wait for answers over an old link is not read on and on")
    func windowWhileSealing() throws {
        let (bench, link) = try ReplicaBench.following()
        bench.submit("first", stream: 1)
        let take = try required(bench.send(.farewell(link)).take)
        bench.taken(take, lease: 2)
        var count = 0
        while bench.core.mayRead(StreamID(rawValue: 1), at: bench.now), count < 5_000 {
            #expect(bench.submit("e\(count)", stream: 1).effects.batch.isEmpty)
            count += 1
        }
        #expect(count == bench.core.sealing.limiter.maxEvents)
    }

    // MARK: Cancelling

    @Test("a caller who goes away: what was not sent is not sealed, what was is unknown")
    func cancelling() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let (waiting, _) = bench.submit("a")
        let cancelled = bench.cancel(waiting)
        #expect(cancelled.outcomes == [.notSealed(.deadlineExceeded)])
        #expect(bench.send(.linkUp(link)).sent.isEmpty)
        let (sent, _) = bench.submit("b")
        #expect(bench.cancel(sent).outcomes == [.unknown])
        #expect(bench.sealed(link, sent, as: 4).isEmpty)
    }

    @Test("protocol.md 6: what is with the own sealing machine is for that one to cancel")
    func cancellingHere() throws {
        let bench = try ReplicaBench.sealing()
        let (inBatch, effects) = bench.submit("a", stream: 1)
        let (queued, _) = bench.submit("b", stream: 1)
        #expect(bench.cancel(queued).outcomes == [.notSealed(.deadlineExceeded)])
        // It is about to be sent, so nothing is said before that is done.
        #expect(bench.cancel(inBatch).isEmpty)
        let sent = bench.send(.proposed(Proposal(try required(effects.plan))))
        #expect(sent.outcomes == [.unknown])
        #expect(bench.apply(try required(sent.transmitted), revision: 2).isEmpty)
    }

    // MARK: Stopping

    @Test("a replica that stops answers what it has accepted, and then says that it is done")
    func stopping() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(!bench.send(.stopping).isDrained)
        #expect(bench.submit("late").effects.outcomes == [.notSealed(.stopping)])
        let last = bench.sealed(link, token, as: 4)
        #expect(last.outcomes.count == 1)
        #expect(last.isDrained)
        #expect(!bench.run(milliseconds: 500).isDrained)
    }

    @Test("a replica with nothing open is drained at once, a fenced one as well")
    func stoppingIdle() throws {
        #expect(ReplicaBench().send(.stopping).isDrained)
        let (bench, _) = try ReplicaBench.following()
        bench.submit("a")
        #expect(!bench.send(.stopping).isDrained)
        #expect(bench.fence().isDrained)
    }

    @Test("a link that breaks while it owes answers is lost sight of: what it had goes elsewhere")
    func drainingBreaks() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        let next = try required(bench.notice(ReplicaBench.third, revision: 60).connected)
        bench.send(.linkUp(next))
        let effects = bench.linkDown(link)
        #expect(effects.sent == [[token]])
        #expect(effects.sentOver == next)
        #expect(bench.core.part == "following")
    }

    @Test("a link that owes answers is closed when the last has come, or when it is silent")
    func draining() throws {
        let (bench, link) = try ReplicaBench.following()
        let tokens = (0..<2).map { bench.submit("e\($0)").token }
        let moved = bench.notice(ReplicaBench.third, revision: 60)
        #expect(moved.disconnected.isEmpty)
        let next = try required(moved.connected)
        bench.send(.linkUp(next))
        #expect(bench.sealed(link, tokens[0], as: 4).disconnected.isEmpty)
        #expect(bench.run(milliseconds: 19).isEmpty)
        let given = bench.run(milliseconds: 1)
        #expect(given.disconnected == [link])
        #expect(given.sent == [[tokens[1]]])
        #expect(given.sentOver == next)
    }
}
