import Testing

@testable import LedgerCore

@Suite("Admission and batching")
struct AdmissionTests {
    @Test(
        "protocol.md 13: with nothing queued or under way an event is admitted, however slow etcd was"
    )
    func idleAdmitsAlways() throws {
        let bench = ReplicaBench.alone()
        // An election: commits that take far longer than the contract.
        for round in 0..<20 {
            let proposal = try required(bench.transact("slow-\(round)"))
            bench.pass(milliseconds: 900)
            bench.apply(proposal, revision: Int64(round) + 2)
        }
        #expect(bench.submit("next").effects.plan != nil)
    }

    @Test(
        "protocol.md 13: behind a slow commit nothing is admitted that cannot make it, and the estimate decays"
    )
    func estimateDecays() throws {
        let bench = ReplicaBench.alone()
        for round in 0..<20 {
            let proposal = try required(bench.transact("slow-\(round)"))
            bench.pass(milliseconds: 900)
            bench.apply(proposal, revision: Int64(round) + 2)
        }
        _ = try required(bench.transact("under way"))
        guard case .notSealed(.overloaded)? = bench.submit("behind").effects.outcomes.first else {
            Issue.record("an event was admitted that cannot make it")
            return
        }
        let limiter = bench.core.sealing.limiter
        let later = bench.now + .milliseconds(10_000)
        #expect(limiter.expectedCommit(at: later) < limiter.expectedCommit(at: bench.now))
    }

    @Test("protocol.md 14: slow large batches shrink the next ones, fast full ones let them grow")
    func batchesFollowMeasuredTime() {
        let settings = SealingSettings()
        var limiter = BatchLimiter(settings: settings)
        let start = limiter.maxEvents
        for step in 0..<20 {
            limiter.record(
                .milliseconds(40), events: limiter.maxEvents, bytes: 0,
                at: MonotonicInstant(nanoseconds: Int64(step) * 40_000_000))
        }
        let shrunk = limiter.maxEvents
        #expect(shrunk < start)
        for step in 20..<80 {
            limiter.record(
                .milliseconds(5), events: limiter.maxEvents, bytes: 0,
                at: MonotonicInstant(nanoseconds: Int64(step) * 40_000_000))
        }
        #expect(limiter.maxEvents > shrunk)
        #expect(limiter.maxEvents <= settings.maxBatchEvents)
    }

    @Test("protocol.md 14: a stream is not read further while a batch of its events waits")
    func streamsArePaced() throws {
        let bench = ReplicaBench.alone()
        _ = try required(bench.transact("under way"))
        var accepted = 0
        while bench.core.mayRead(StreamID(rawValue: 1), at: bench.now), accepted < 5_000 {
            guard bench.submit("s-\(accepted)", stream: 1).effects.outcomes.isEmpty else { break }
            accepted += 1
        }
        #expect(accepted == bench.core.sealing.limiter.maxEvents)
    }

    @Test("protocol.md 14: batches take callers in turn")
    func callersInTurn() throws {
        let bench = ReplicaBench.alone(settings: SealingSettings(maxBatchEvents: 80))
        let first = try required(bench.transact("under way"))
        let greedy = (0..<100).map { bench.submit("g\($0)", stream: 1).token }
        let modest = (0..<10).map { bench.submit("m\($0)", stream: 2).token }
        #expect(bench.core.sealing.limiter.maxEvents == 20)
        let batch = bench.apply(first, revision: 2).batch
        // Order of arrival within each stream.
        #expect(batch == greedy.prefix(10) + modest)
    }

    @Test("without load no batch waits for company")
    func noGathering() throws {
        let bench = ReplicaBench.alone()
        let lonely = try required(bench.transact("lonely"))
        #expect(bench.submit("next").effects.plan == nil)
        bench.pass(milliseconds: 10)
        let plan = bench.apply(lonely, revision: 2).plan
        #expect(plan?.submissions.count == 1)
    }

    /// 16 callers who come again at once, until that is what the core expects; all were just answered.
    private func benchWithCallers(
        settings: SealingSettings = SealingSettings(), commitMilliseconds: Int64 = 4
    ) throws -> (bench: ReplicaBench, next: BatchPlan?) {
        let bench = ReplicaBench.alone(settings: settings)
        var open = try required(bench.transact("first"))
        for number in 1..<16 { bench.submit("first-\(number)") }
        var revision: Int64 = 2
        for round in 0..<40 {
            bench.pass(milliseconds: commitMilliseconds)
            var effects = bench.apply(open, revision: revision)
            revision += 1
            let answered = effects.outcomes.count
            if round == 39 { return (bench, effects.plan) }
            var plan = effects.plan
            for number in 0..<answered {
                bench.pass(microseconds: 50)
                effects = bench.submit("\(round)-\(number)").effects
                plan = plan ?? effects.plan
            }
            while plan == nil { plan = bench.tick(afterMilliseconds: 1).plan }
            open = try required(bench.propose(try required(plan)))
        }
        preconditionFailure("the last round returns")
    }

    @Test("callers who come again at once are waited for, and the last of them ends it")
    func gathering() throws {
        let (bench, next) = try benchWithCallers()
        #expect(next == nil)
        for number in 0..<15 {
            bench.pass(microseconds: 50)
            #expect(bench.submit("a\(number)").effects.plan == nil)
        }
        bench.pass(microseconds: 50)
        #expect(bench.submit("the last").effects.plan?.submissions.count == 16)
    }

    @Test("who does not come again is waited for, for less than half a commit")
    func gatheringEnds() throws {
        let (bench, _) = try benchWithCallers()
        for number in 0..<8 {
            bench.pass(microseconds: 50)
            #expect(bench.submit("a\(number)").effects.plan == nil)
        }
        let wake = try required(bench.core.nextWake)
        #expect(wake - bench.now < .milliseconds(2))
        #expect(bench.run(milliseconds: 2).plan?.submissions.count == 8)
    }

    @Test("a full batch waits for nobody")
    func fullBatchGoes() throws {
        var settings = SealingSettings()
        settings.maxBatchEvents = 8 * 4
        // Neither fast nor slow enough for batches to become larger or smaller.
        let (bench, next) = try benchWithCallers(settings: settings, commitMilliseconds: 16)
        #expect(bench.core.sealing.limiter.maxEvents == 8)
        #expect(next?.submissions.count == 8)
    }

    @Test("waiting for company costs nobody the deadline")
    func gatheringKeepsDeadlines() throws {
        let (patient, _) = try benchWithCallers()
        #expect(patient.submit("patient").effects.plan == nil)
        let (bench, _) = try benchWithCallers()
        let commit = bench.core.sealing.limiter.expectedCommit(at: bench.now)
        // An answer takes 5 ms of the deadline.
        let hurried = bench.submission("hurried", deadlineIn: commit.count / 1_000_000 + 5)
        #expect(hurried.commitBy - bench.now <= commit)
        #expect(bench.send(.submitted(hurried)).plan != nil)
    }

    @Test("who stops waits for no company")
    func stoppingEndsGathering() throws {
        let (bench, _) = try benchWithCallers()
        #expect(bench.submit("accepted").effects.plan == nil)
        let effects = bench.send(.stopping) + bench.tick()
        #expect(effects.plan?.submissions.count == 1)
    }

    @Test("the queue is bounded by events and by bytes")
    func bounds() throws {
        var settings = SealingSettings()
        settings.maxQueuedEvents = 3
        let full = ReplicaBench.alone(settings: settings)
        _ = try required(full.transact("under way"))
        for number in 0..<3 { #expect(full.submit("\(number)").effects.outcomes.isEmpty) }
        guard case .notSealed(.overloaded)? = full.submit("one too many").effects.outcomes.first
        else {
            Issue.record("the queue grew beyond its bound")
            return
        }
        var small = SealingSettings()
        small.maxQueuedBytes = 300
        let bench = ReplicaBench.alone(settings: small)
        _ = try required(bench.transact("under way"))
        #expect(
            bench.submit("fits", payload: Array(repeating: 0, count: 100)).effects.outcomes.isEmpty)
        #expect(
            !bench.submit("too much", payload: Array(repeating: 0, count: 200)).effects.outcomes
                .isEmpty)
    }

    @Test("protocol.md 16: a hit is looked up beside the loop, and others are sealed meanwhile")
    func hitsDoNotBlock() throws {
        let bench = ReplicaBench.alone()
        bench.seal("old", revision: 2)
        #expect(bench.submit("old").effects.lookedUp.count == 1)
        for _ in 0..<1_000 {
            let effects = bench.submit("old").effects
            #expect(effects.lookedUp.isEmpty)
            #expect(effects.plan == nil)
        }
        let proposal = try required(bench.transact("new"))
        #expect(proposal.records.count == 1)
        #expect(bench.apply(proposal, revision: 3).outcomes.map(\.number) == [2])
    }

    @Test("protocol.md 16: two different ids with one fingerprint are both sealed")
    func collidingFingerprints() throws {
        let bench = ReplicaBench.alone()
        bench.seal("old", revision: 2)
        let looked = try required(bench.submit("old").effects.lookUps.first)
        let effects = bench.lookedUp(looked, .otherEvents(through: 1))
        #expect(effects.plan?.submissions.count == 1)
    }

    @Test(
        "two submissions of one id never share a batch; the second becomes a duplicate of the first"
    )
    func equalIDsInOneBatch() throws {
        let bench = ReplicaBench.alone()
        let first = try required(bench.transact("under way"))
        bench.submit("twin")
        bench.submit("twin")
        let plan = try required(bench.apply(first, revision: 2).plan)
        #expect(plan.submissions.count == 1)
        let proposal = try required(bench.propose(plan))
        let sealed = bench.apply(proposal, revision: 3)
        #expect(sealed.outcomes.map(\.number) == [2])
        #expect(sealed.lookedUp.count == 1)
    }

    @Test("an event of a stream that waits for a look-up holds back those behind it in the stream")
    func orderWithinStream() throws {
        let bench = ReplicaBench.alone()
        bench.seal("old", revision: 2)
        bench.submit("old", stream: 1)
        #expect(bench.submit("behind", stream: 1).effects.plan == nil)
        #expect(bench.submit("elsewhere").effects.plan?.submissions.count == 1)
    }

    @Test("protocol.md 22: nothing is sealed while the clock cannot be believed")
    func untrustedClock() {
        let bench = ReplicaBench.alone()
        bench.wall = .untrusted
        let effects = bench.submit("a").effects
        #expect(effects.plan == nil)
        #expect(effects.outcomes == [.notSealed(.clockUntrusted)])
        bench.wall = nil
        #expect(bench.submit("b").effects.plan != nil)
    }

    @Test("the sealed timestamp never goes back, even when the trusted clock does")
    func timestampsAscend() throws {
        let bench = ReplicaBench.alone()
        bench.wall = .trusted(milliseconds: 5_000)
        bench.seal("a", revision: 2)
        bench.wall = .trusted(milliseconds: 1_000)
        let plan = try required(bench.submit("b").effects.plan)
        #expect(plan.sealedTimestamp == 5_000)
    }

    @Test("protocol.md 23: far behind, segments and tiles are read instead of blocks")
    func farBehindReloads() throws {
        let bench = ReplicaBench.alone()
        let known = try required(bench.core.state?.observation)
        let tree = try MerkleFrontier(size: 8_192, hashes: [.zero])
        let far = LedgerObservation(
            revision: Revision(rawValue: 9),
            head: Head(sequence: 8_192, eventHash: .zero, sealedTimestamp: 0, tree: tree),
            headBytes: [])
        let effects = bench.send(.noticed(far, knownBefore: known))
        #expect(effects.reloads)
        #expect(!effects.readsBlocks)
    }

    @Test("stopping refuses what is new and answers what was accepted")
    func stopping() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("a"))
        bench.submit("b")
        #expect(bench.send(.stopping).isEmpty)
        #expect(bench.submit("c").effects.outcomes == [.notSealed(.stopping)])
        let next = bench.apply(proposal, revision: 2)
        #expect(next.outcomes.map(\.number) == [1])
        let last = try required(next.plan.flatMap { bench.propose($0) })
        let end = bench.apply(last, revision: 3)
        #expect(end.outcomes.map(\.number) == [2])
        #expect(end.isDrained)
    }
}
