import Testing

@testable import LedgerCore

@Suite("Admission and batching")
struct AdmissionTests {
    @Test(
        "PROTOCOL 13: with nothing queued or under way an event is admitted, however slow etcd was")
    func idleAdmitsAlways() throws {
        var bench = MachineBench()
        // An election: commits that take far longer than the contract.
        for round in 0..<20 {
            let proposal = try required(bench.send("slow-\(round)"))
            bench.pass(milliseconds: 900)
            _ = bench.end(proposal, .applied(Revision(rawValue: Int64(round) + 2)))
        }
        #expect(bench.submit("next").plan != nil)
    }

    @Test(
        "PROTOCOL 13: behind a slow commit nothing is admitted that cannot make it, and the estimate decays"
    )
    func estimateDecays() throws {
        var bench = MachineBench()
        for round in 0..<20 {
            let proposal = try required(bench.send("slow-\(round)"))
            bench.pass(milliseconds: 900)
            _ = bench.end(proposal, .applied(Revision(rawValue: Int64(round) + 2)))
        }
        _ = try required(bench.send("under way"))
        guard case .notSealed(.overloaded)? = bench.submit("behind").outcomes.first else {
            Issue.record("an event was admitted that cannot make it")
            return
        }
        var later = bench
        later.now += 10_000_000_000
        #expect(
            later.machine.limiter.expectedCommit(at: later.moment.now)
                < bench.machine.limiter.expectedCommit(at: bench.moment.now))
    }

    @Test("PROTOCOL 14: slow large batches shrink the next ones, fast full ones let them grow")
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

    @Test("PROTOCOL 14: a stream is not read further while a batch of its events waits")
    func streamsArePaced() throws {
        var bench = MachineBench()
        _ = try required(bench.send("under way"))
        let stream = StreamID(rawValue: 1)
        var accepted = 0
        while bench.machine.mayRead(stream, at: bench.moment.now), accepted < 5_000 {
            guard bench.submit("s-\(accepted)", stream: stream).outcomes.isEmpty else { break }
            accepted += 1
        }
        #expect(accepted == bench.machine.limiter.maxEvents)
    }

    @Test("PROTOCOL 14: batches take callers in turn")
    func callersInTurn() throws {
        var queue = SubmissionQueue()
        var bench = MachineBench()
        let greedy = StreamID(rawValue: 1)
        let modest = StreamID(rawValue: 2)
        for number in 0..<100 {
            queue.append(bench.submission("g\(number)", stream: greedy), isLookingUp: false)
        }
        for number in 0..<10 {
            queue.append(bench.submission("m\(number)", stream: modest), isLookingUp: false)
        }
        let limits = SubmissionQueue.Limits(events: 20, bytes: 1 << 20)
        let batch = queue.takeBatch(limits) { _ in [] }.batch
        #expect(batch.count == 20)
        #expect(batch.filter { $0.stream == modest }.count == 10)
        // Order of arrival within each stream.
        #expect(
            batch.filter { $0.stream == greedy }.map(\.token.rawValue) == Array(1...10))
    }

    @Test("without load no batch waits for company")
    func noGathering() throws {
        var bench = MachineBench()
        let lonely = try required(bench.send("lonely"))
        #expect(bench.submit("next").plan == nil)
        bench.pass(milliseconds: 10)
        let plan = bench.end(lonely, .applied(Revision(rawValue: 2))).plan
        #expect(plan?.submissions.count == 1)
    }

    /// 16 callers who come again at once, until that is what the machine expects; all were just answered.
    private func benchWithCallers(
        settings: SealingSettings = SealingSettings(), commitMilliseconds: Int64 = 4
    ) throws -> (bench: MachineBench, next: BatchPlan?) {
        var bench = MachineBench(settings: settings)
        var open = try required(bench.send("first"))
        for number in 1..<16 { _ = bench.submit("first-\(number)") }
        var revision: Int64 = 2
        for round in 0..<40 {
            bench.pass(milliseconds: commitMilliseconds)
            var actions = bench.end(open, .applied(Revision(rawValue: revision)))
            revision += 1
            let answered = actions.outcomes.count
            if round == 39 { return (bench, actions.plan) }
            var plan = actions.plan
            for number in 0..<answered {
                bench.now += 50_000
                actions = bench.submit("\(round)-\(number)")
                plan = plan ?? actions.plan
            }
            while plan == nil { plan = bench.tick(afterMilliseconds: 1).plan }
            open = try required(bench.propose(try required(plan)))
        }
        preconditionFailure("the last round returns")
    }

    @Test("callers who come again at once are waited for, and the last of them ends it")
    func gathering() throws {
        var (bench, next) = try benchWithCallers()
        #expect(next == nil)
        for number in 0..<15 {
            bench.now += 50_000
            #expect(bench.submit("a\(number)").plan == nil)
        }
        bench.now += 50_000
        #expect(bench.submit("the last").plan?.submissions.count == 16)
    }

    @Test("who does not come again is waited for, for less than half a commit")
    func gatheringEnds() throws {
        var (bench, _) = try benchWithCallers()
        for number in 0..<8 {
            bench.now += 50_000
            #expect(bench.submit("a\(number)").plan == nil)
        }
        let wake = try required(bench.machine.nextWake)
        #expect(wake - bench.moment.now < .milliseconds(2))
        bench.now = wake.nanoseconds
        #expect(bench.tick(afterMilliseconds: 0).plan?.submissions.count == 8)
    }

    @Test("a full batch waits for nobody")
    func fullBatchGoes() throws {
        var settings = SealingSettings()
        settings.maxBatchEvents = 8 * 4
        // Neither fast nor slow enough for batches to become larger or smaller.
        let (bench, next) = try benchWithCallers(settings: settings, commitMilliseconds: 16)
        #expect(bench.machine.limiter.maxEvents == 8)
        #expect(next?.submissions.count == 8)
    }

    @Test("waiting for company costs nobody the deadline")
    func gatheringKeepsDeadlines() throws {
        var (bench, _) = try benchWithCallers()
        var patient = bench
        #expect(patient.submit("patient").plan == nil)
        let commit = bench.machine.limiter.expectedCommit(at: bench.moment.now)
        // An answer takes 5 ms of the deadline.
        let hurried = bench.submission("hurried", deadlineIn: commit.count / 1_000_000 + 5)
        #expect(hurried.commitBy - bench.moment.now <= commit)
        #expect(bench.machine.submit(hurried, at: bench.moment).plan != nil)
    }

    @Test("who stops waits for no company")
    func stoppingEndsGathering() throws {
        var (bench, _) = try benchWithCallers()
        #expect(bench.submit("accepted").plan == nil)
        _ = bench.machine.stop(at: bench.moment)
        #expect(bench.tick(afterMilliseconds: 0).plan?.submissions.count == 1)
    }

    @Test("the queue is bounded by events and by bytes")
    func bounds() throws {
        var settings = SealingSettings()
        settings.maxQueuedEvents = 3
        var bench = MachineBench(settings: settings)
        _ = try required(bench.send("under way"))
        for number in 0..<3 { #expect(bench.submit("\(number)").outcomes.isEmpty) }
        guard case .notSealed(.overloaded)? = bench.submit("one too many").outcomes.first else {
            Issue.record("the queue grew beyond its bound")
            return
        }
        var small = SealingSettings()
        small.maxQueuedBytes = 300
        bench = MachineBench(settings: small)
        _ = try required(bench.send("under way"))
        #expect(bench.submit("fits", payload: Array(repeating: 0, count: 100)).outcomes.isEmpty)
        #expect(
            !bench.submit("too much", payload: Array(repeating: 0, count: 200)).outcomes.isEmpty)
    }

    @Test("PROTOCOL 16: a hit is looked up beside the loop, and others are sealed meanwhile")
    func hitsDoNotBlock() throws {
        var bench = MachineBench()
        bench.seal("old", revision: 2)
        #expect(bench.submit("old").lookedUp.count == 1)
        for _ in 0..<1_000 {
            let actions = bench.submit("old")
            #expect(actions.lookedUp.isEmpty)
            #expect(actions.plan == nil)
        }
        let proposal = try required(bench.send("new"))
        #expect(proposal.records.count == 1)
        #expect(bench.end(proposal, .applied(Revision(rawValue: 3))).outcomes.map(\.number) == [2])
    }

    @Test("PROTOCOL 16: two different ids with one fingerprint are both sealed")
    func collidingFingerprints() throws {
        var bench = MachineBench()
        bench.seal("old", revision: 2)
        let looked = try required(bench.submit("old").lookUps.first)
        let actions = bench.lookedUp(looked, .otherEvents(through: 1))
        #expect(actions.plan?.submissions.count == 1)
    }

    @Test(
        "two submissions of one id never share a batch; the second becomes a duplicate of the first"
    )
    func equalIDsInOneBatch() throws {
        var bench = MachineBench()
        let first = try required(bench.send("under way"))
        _ = bench.submit("twin")
        _ = bench.submit("twin")
        let plan = try required(bench.end(first, .applied(Revision(rawValue: 2))).plan)
        #expect(plan.submissions.count == 1)
        let proposal = try required(bench.propose(plan))
        let sealed = bench.end(proposal, .applied(Revision(rawValue: 3)))
        #expect(sealed.outcomes.map(\.number) == [2])
        #expect(sealed.lookedUp.count == 1)
    }

    @Test("an event of a stream that waits for a look-up holds back those behind it in the stream")
    func orderWithinStream() throws {
        var bench = MachineBench()
        bench.seal("old", revision: 2)
        let stream = StreamID(rawValue: 1)
        _ = bench.submit("old", stream: stream)
        #expect(bench.submit("behind", stream: stream).plan == nil)
        #expect(bench.submit("elsewhere").plan?.submissions.count == 1)
    }

    @Test("PROTOCOL 22: nothing is sealed while the clock cannot be believed")
    func untrustedClock() {
        var bench = MachineBench()
        bench.wallIsTrusted = false
        let actions = bench.submit("a")
        #expect(actions.plan == nil)
        #expect(actions.outcomes == [.notSealed(.clockUntrusted)])
        bench.wallIsTrusted = true
        #expect(bench.submit("b").plan != nil)
    }

    @Test("the sealed timestamp never goes back, even when the trusted clock does")
    func timestampsAscend() throws {
        var bench = MachineBench()
        bench.now = 5_000_000_000
        bench.seal("a", revision: 2)
        bench.now = 1_000_000_000
        let plan = try required(bench.submit("b").plan)
        #expect(plan.sealedTimestamp == 1_700_000_005_000)
    }

    @Test("PROTOCOL 23: far behind, segments and tiles are read instead of blocks")
    func farBehindReloads() throws {
        var bench = MachineBench()
        let known = try required(bench.machine.state?.observation)
        let tree = try MerkleFrontier(size: 8_192, hashes: [.zero])
        let far = LedgerObservation(
            revision: Revision(rawValue: 9),
            head: Head(sequence: 8_192, eventHash: .zero, sealedTimestamp: 0, tree: tree),
            headBytes: [])
        let actions = bench.machine.noticed(far, knownBefore: known, at: bench.moment)
        #expect(actions.reloads)
        #expect(!actions.readsBlocks)
    }

    @Test("stopping refuses what is new and answers what was accepted")
    func stopping() throws {
        var bench = MachineBench()
        let proposal = try required(bench.send("a"))
        _ = bench.submit("b")
        #expect(bench.machine.stop(at: bench.moment).isEmpty)
        #expect(bench.submit("c").outcomes == [.notSealed(.stopping)])
        let next = bench.end(proposal, .applied(Revision(rawValue: 2)))
        #expect(next.outcomes.map(\.number) == [1])
        let last = try required(next.plan.flatMap { bench.propose($0) })
        let end = bench.end(last, .applied(Revision(rawValue: 3)))
        #expect(end.outcomes.map(\.number) == [2])
        #expect(end.contains { if case .reportDrained = $0 { true } else { false } })
    }
}
