import Testing

@testable import LedgerCore

@Suite("When those who are turned away are to come back")
struct RetryScheduleTests {
    private let start = MonotonicInstant(nanoseconds: 1_000_000_000)

    @Test("each has a time of its own, at the pace of sealing, and not before it could be sealed")
    func spread() {
        var schedule = RetrySchedule()
        let delays = (0..<4).map { _ in
            schedule.delay(wait: .milliseconds(30), interval: .milliseconds(2), at: start)
        }
        #expect(delays == [30, 32, 34, 36].map { .milliseconds($0) })
        // Later there are fewer before one.
        let later = start + .milliseconds(20)
        #expect(
            schedule.delay(wait: .milliseconds(1), interval: .milliseconds(2), at: later)
                == .milliseconds(18))
        let much = start + .milliseconds(1_000)
        #expect(
            schedule.delay(wait: .milliseconds(1), interval: .milliseconds(2), at: much)
                == RetrySchedule.shortestDelay)
    }

    @Test("nobody is told to wait for longer than what is known lasts")
    func bound() {
        var schedule = RetrySchedule()
        for _ in 0..<100 {
            let delay = schedule.delay(
                wait: .milliseconds(60_000), interval: .milliseconds(1_000), at: start)
            #expect(delay == RetrySchedule.longestDelay)
        }
    }

    /// Callers that all come at once, and do as they are told. What they are told is true where hardly any of them is
    /// turned away twice.
    @Test("callers who come back when they are told to are taken then")
    func obedience() throws {
        let crowd = ObedientCrowd(callers: 6_000)
        crowd.run(milliseconds: 3_000)
        #expect(crowd.sealed == crowd.refusals.count)
        #expect(crowd.refusals.contains { $0 > 0 }, "nobody was turned away: this shows nothing")
        let twice = crowd.refusals.count { $0 > 1 }
        #expect(twice * 10 <= crowd.refusals.count, "\(twice) were turned away more than once")
    }
}

/// Callers that come all at once to a replica whose commits take five milliseconds, and come back when they are told to.
private final class ObedientCrowd {
    private let bench = ReplicaBench.alone()
    /// Who comes at which millisecond.
    private var coming: [Int64: [Int]]
    private var open: Proposal?
    private var time: Int64 = 0
    /// How often each was turned away.
    private(set) var refusals: [Int]
    private(set) var sealed = 0

    init(callers: Int) {
        coming = [0: Array(0..<callers)]
        refusals = Array(repeating: 0, count: callers)
    }

    func run(milliseconds: Int64) {
        var revision: Int64 = 2
        while time < milliseconds, sealed < refusals.count {
            for caller in coming.removeValue(forKey: time) ?? [] {
                take(bench.submit("\(caller)").effects)
            }
            if time % 5 == 4, let proposal = open {
                open = nil
                take(bench.apply(proposal, revision: revision))
                revision += 1
            }
            take(bench.tick(afterMilliseconds: 1))
            time += 1
        }
    }

    private func take(_ effects: [ReplicaEffect]) {
        for answer in effects.answers {
            let id = String(decoding: answer.submission.event.eventID.utf8, as: UTF8.self)
            guard let caller = Int(id) else { continue }
            guard case .notSealed(let reason) = answer.outcome else {
                sealed += 1
                continue
            }
            refusals[caller] += 1
            var delay: Int64 = 1
            if case .overloaded(let told) = reason { delay = told.count / 1_000_000 + 1 }
            coming[time + delay, default: []].append(caller)
        }
        if let plan = effects.plan { open = bench.propose(plan) }
    }
}
