import Testing

@testable import LedgerCore

@Suite("Forwarding")
struct ForwardingTests {
    @Test("PROTOCOL.md 23: what has waited for the link goes in one message, in order of arrival")
    func batch() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let tokens = (0..<5).map { bench.submit("e\($0)", stream: $0 % 2 == 0 ? 1 : nil).token }
        let actions = bench.linkUp(link)
        #expect(actions.sent == [tokens])
        #expect(actions.sentOver == link)
    }

    @Test("an event is answered with the seal, and the time that it took")
    func sealed() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        bench.pass(milliseconds: 7)
        let actions = bench.sealed(link, token, as: 4)
        #expect(actions.outcomes == [.sealed(ReplicaBench.seal(4), latency: .milliseconds(7))])
        #expect(bench.machine.openForwards == 0)
        #expect(bench.sealed(link, token, as: 4).isEmpty)
    }

    @Test("where it is sealed here unary events go straight on, those of streams are kept in order")
    func sealingHere() throws {
        let bench = try ReplicaBench.sealing()
        let (unary, passed) = bench.submit("a")
        #expect(passed.passed == [unary])
        let (streamed, here) = bench.submit("b", stream: 1)
        #expect(here.sealedHere == [streamed])
        let outcome = SubmissionOutcome.sealed(ReplicaBench.seal(3), latency: .zero)
        #expect(bench.sealedHere(streamed, outcome).outcomes == [outcome])
    }

    @Test("PROTOCOL.md 6: what expires while it waits is certainly not sealed, and goes nowhere")
    func expiry() throws {
        let bench = ReplicaBench(ability: .clockUntrusted)
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let (token, _) = bench.submit("a", deadlineIn: 15)
        let actions = bench.run(milliseconds: 10)
        #expect(actions.answeredTokens == [token])
        #expect(actions.outcomes == [.notSealed(.deadlineExceeded)])
        #expect(bench.linkUp(link).sent.isEmpty)
    }

    @Test("what expires while etcd does not answer is told so")
    func storeUnavailable() {
        let bench = ReplicaBench()
        _ = bench.submit("a", deadlineIn: 15)
        bench.send { $0.hintRead(.unavailable, at: $1) }
        #expect(bench.run(milliseconds: 10).outcomes == [.notSealed(.storeUnavailable)])
    }

    @Test("PROTOCOL.md 6: an event whose time is over is refused at once")
    func tooLate() throws {
        let (bench, _) = try ReplicaBench.following()
        let (_, actions) = bench.submit("a", deadlineIn: 5)
        #expect(actions.outcomes == [.notSealed(.deadlineExceeded)])
        #expect(actions.sent.isEmpty)
    }

    @Test("PROTOCOL.md 6: a forward carries the times by which it must be sealed and answered")
    func times() throws {
        let (bench, _) = try ReplicaBench.following()
        let (_, actions) = bench.submit("a", deadlineIn: 40)
        guard case .send(_, let batch)? = actions.first else {
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
        #expect(bench.submit("more").actions.outcomes == [.notSealed(overloaded)])
        _ = bench.sealed(link, tokens[1], as: 4)
        #expect(bench.submit("again").actions.sent.count == 1)
    }

    @Test("more bytes than may wait are refused as OVERLOADED, forwarded ones included")
    func tooManyBytes() throws {
        let probe = ReplicaBench().submission("e0").template.byteCount
        let (bench, link) = try ReplicaBench.following(
            settings: SealingSettings(maxQueuedBytes: 3 * probe))
        let tokens = (0..<3).map { bench.submit("e\($0)").token }
        let overloaded = NotSealedReason.overloaded(retryAfter: .milliseconds(50))
        #expect(bench.submit("e3").actions.outcomes == [.notSealed(overloaded)])
        _ = bench.sealed(link, tokens[0], as: 4)
        #expect(bench.submit("e4").actions.sent.count == 1)
    }

    @Test("a stream is read as far as the window allows, and shares it with other streams")
    func window() throws {
        let (bench, link) = try ReplicaBench.following()
        let one = StreamID(rawValue: 1)
        var tokens: [SubmissionToken] = []
        while bench.machine.mayRead(one), tokens.count < 5_000 {
            tokens.append(bench.submit("e\(tokens.count)", stream: 1).token)
        }
        #expect(tokens.count == 512)
        #expect(bench.machine.mayRead(StreamID(rawValue: 2)))
        _ = bench.submit("other", stream: 2)
        for token in tokens.prefix(50) { _ = bench.sealed(link, token, as: token.rawValue) }
        #expect(!bench.machine.mayRead(one))
        for token in tokens.dropFirst(50).prefix(350) {
            _ = bench.sealed(link, token, as: token.rawValue)
        }
        #expect(bench.machine.mayRead(one))
    }

    @Test("a stream whose events wait for answers over an old link is not read on and on")
    func windowWhileSealing() throws {
        let (bench, link) = try ReplicaBench.following()
        _ = bench.submit("first", stream: 1)
        let take = try required(bench.send { $0.farewell(link, at: $1) }.take)
        _ = bench.taken(take, lease: 2)
        var count = 0
        while bench.machine.mayRead(StreamID(rawValue: 1)), count < 5_000 {
            #expect(bench.submit("e\(count)", stream: 1).actions.sealedHere.isEmpty)
            count += 1
        }
        #expect(count == 512)
    }

    // MARK: Cancelling

    @Test("a caller who goes away: what was not sent is not sealed, what was is unknown")
    func cancelling() throws {
        let bench = ReplicaBench()
        let link = try required(bench.read(ReplicaBench.other, revision: 50).connected)
        let (waiting, _) = bench.submit("a")
        let cancelled = bench.send { machine, _ in machine.cancel(waiting) ?? [] }
        #expect(cancelled.outcomes == [.notSealed(.deadlineExceeded)])
        #expect(bench.linkUp(link).sent.isEmpty)
        let (sent, _) = bench.submit("b")
        #expect(bench.send { machine, _ in machine.cancel(sent) ?? [] }.outcomes == [.unknown])
        #expect(bench.sealed(link, sent, as: 4).isEmpty)
    }

    @Test("PROTOCOL.md 6: what is with the own sealing machine is for that one to cancel")
    func cancellingHere() throws {
        let bench = try ReplicaBench.sealing()
        let (token, _) = bench.submit("a", stream: 1)
        // In order with what is given to it, or the cancellation could come first.
        let actions = bench.send { machine, _ in machine.cancel(token) ?? [] }
        #expect(actions.withdrawn == [token] && actions.outcomes.isEmpty)
        let rejected = SubmissionOutcome.notSealed(.deadlineExceeded)
        #expect(bench.sealedHere(token, rejected).outcomes == [rejected])
    }

    // MARK: Stopping

    @Test("a replica that stops answers what it has accepted, and then says that it is done")
    func stopping() throws {
        let (bench, link) = try ReplicaBench.following()
        let (token, _) = bench.submit("a")
        #expect(!bench.send { $0.stop(at: $1) }.isDrained)
        let (late, actions) = bench.submit("late")
        #expect(actions.passed == [late])
        let last = bench.sealed(link, token, as: 4)
        #expect(last.outcomes.count == 1)
        #expect(last.isDrained)
        #expect(!bench.run(milliseconds: 500).isDrained)
    }

    @Test("a replica with nothing open is drained at once, a fenced one as well")
    func stoppingIdle() throws {
        #expect(ReplicaBench().send { $0.stop(at: $1) }.isDrained)
        let (bench, _) = try ReplicaBench.following()
        _ = bench.submit("a")
        #expect(!bench.send { $0.stop(at: $1) }.isDrained)
        #expect(bench.send { $0.abilityChanged(.fenced, at: $1) }.isDrained)
    }

    @Test("a link that owes answers is closed when the last has come, or when it is silent")
    func draining() throws {
        let (bench, link) = try ReplicaBench.following()
        let tokens = (0..<2).map { bench.submit("e\($0)").token }
        let moved = bench.notice(ReplicaBench.third, revision: 60)
        #expect(moved.disconnected.isEmpty)
        let next = try required(moved.connected)
        _ = bench.linkUp(next)
        #expect(bench.sealed(link, tokens[0], as: 4).disconnected.isEmpty)
        #expect(bench.run(milliseconds: 19).isEmpty)
        let given = bench.run(milliseconds: 1)
        #expect(given.disconnected == [link])
        #expect(given.sent == [[tokens[1]]])
        #expect(given.sentOver == next)
    }
}
