import TestSupport
import Testing

@testable import LedgerCore

@Suite("Gathering: a batch waits for company only while that makes somebody faster")
struct GatheringTests {
    private static let contract = Nanoseconds.milliseconds(50)
    private static let millisecond: Int64 = 1_000_000

    /// What callers see without any waiting, and with the gathering.
    private func compare(
        _ callers: () -> GatheringModel.Callers, events: Int = 3_000,
        commit: @escaping (_ events: Int, _ rest: Int64) -> Int64
    ) -> (never: GatheringModel.Result, gathering: GatheringModel.Result) {
        var never = GatheringModel(callers(), gathering: nil, commit: commit)
        var model = GatheringModel(
            callers(), gathering: Gathering(contract: Self.contract), commit: commit)
        return (never.run(events: events), model.run(events: events))
    }

    private func commits(in milliseconds: Double) -> (Int, Int64) -> Int64 {
        { _, _ in Int64(milliseconds * 1e6) }
    }

    /// Every transaction leaves 1.5 ms of work to the processors after its answer, for which the next one has to wait.
    private func commitsOnBusyProcessors(_ events: Int, _ rest: Int64) -> Int64 {
        1_300_000 + Int64(events) * 20_000 + max(0, 1_500_000 - rest)
    }

    /// Each answer takes a tenth of a millisecond, one after another.
    private func oneAfterAnother(_ place: Int) -> Int64 {
        500_000 + Int64(place) * 100_000
    }

    private func random(_ perSecond: Double, seed: UInt64 = 3) -> GatheringModel.Callers {
        var generator = ReplayableRandom(seed: seed)
        // The sum of three is near enough to chance, and no number of it is infinite.
        return .openLoop {
            Int64(
                (0..<3).map { _ in Double.random(in: 0...2, using: &generator) }.reduce(0, +) / 3
                    / perSecond * 1e9)
        }
    }

    @Test(
        "a lone caller never waits, however soon or late it comes again",
        arguments: [50_000, 200_000, 900_000, 1_000_000, 2_000_000, 30_000_000])
    func loneCaller(back: Int64) {
        for commit in [commits(in: 2), commitsOnBusyProcessors] {
            let (never, gathering) = compare(
                { .closedLoop(1) { _ in back } }, events: 300, commit: commit)
            #expect(gathering.holds == 0)
            #expect(gathering.eventsPerSecond == never.eventsPerSecond)
        }
    }

    @Test("a lone caller that comes after a crowd waits for nobody but once")
    func loneAfterCrowd() {
        var gathering = Gathering(contract: Self.contract)
        var now = MonotonicInstant(nanoseconds: 0)
        func commit(_ events: Int) {
            now = now + .milliseconds(2)
            gathering.committed(in: .milliseconds(2), answering: events, at: now)
        }
        for _ in 0..<50 {
            commit(16)
            for _ in 0..<16 {
                now = now + Nanoseconds(20_000)
                gathering.arrived(at: now)
            }
        }
        commit(16)
        now = now + Nanoseconds(20_000)
        gathering.arrived(at: now)
        #expect(gathering.holdUntil(now, waiting: 1) != nil)
        commit(1)
        now = now + Nanoseconds(20_000)
        gathering.arrived(at: now)
        #expect(gathering.holdUntil(now, waiting: 1) == nil)
    }

    @Test("two callers who come again at once share their transactions")
    func twoCallers() {
        let (never, gathering) = compare(
            { .closedLoop(2) { _ in 300_000 } }, events: 600, commit: commits(in: 2))
        #expect(gathering.eventsPerTransaction == 2)
        #expect(gathering.eventsPerSecond > 1.7 * never.eventsPerSecond, "\(never) \(gathering)")
    }

    @Test("16 callers share their transactions, and none of them is slower for it")
    func closedLoop() {
        let (never, gathering) = compare(
            { .closedLoop(16) { 300_000 + Int64($0) * 30_000 } }, commit: commits(in: 2))
        #expect(gathering.eventsPerSecond > 1.2 * never.eventsPerSecond, "\(never) \(gathering)")
        #expect(gathering.meanLatency < never.meanLatency)
    }

    @Test("callers who take as long as a commit to come again are not waited for")
    func slowCallers() {
        let (never, gathering) = compare(
            { .closedLoop(16) { 2_500_000 + Int64($0) * 200_000 } }, commit: commits(in: 2))
        #expect(gathering.holds == 0, "\(never) \(gathering)")
    }

    @Test("a slow disk makes commits long, not processors busy: 16 callers go in one transaction")
    func slowDisk() {
        let (never, gathering) = compare(
            { .closedLoop(16, back: oneAfterAnother) }, commit: commits(in: 10))
        #expect(gathering.eventsPerTransaction == 16)
        #expect(gathering.eventsPerSecond > 1.5 * never.eventsPerSecond, "\(never) \(gathering)")
        let (_, open) = compare({ .openLoop { 500_000 } }, commit: commits(in: 10))
        #expect(open.holds == 0, "\(open)")
    }

    @Test("at an even pace nothing waits", arguments: [500, 2_000])
    func evenPace(perSecond: Int64) {
        let (never, gathering) = compare(
            { .openLoop { 1_000_000_000 / perSecond } }, commit: commits(in: 1.7))
        #expect(gathering.meanLatency < 1.01 * never.meanLatency, "\(never) \(gathering)")
    }

    @Test("at a chance pace waiting costs next to nothing", arguments: [500.0, 2_000])
    func chancePace(perSecond: Double) {
        let (never, gathering) = compare({ random(perSecond) }, commit: commits(in: 1.7))
        #expect(gathering.meanLatency < 1.03 * never.meanLatency, "\(never) \(gathering)")
    }

    @Test(
        "where commits wait for processors, waiting before them costs nobody anything",
        arguments: [500.0, 2_000])
    func busyProcessors(perSecond: Double) {
        let (never, gathering) = compare(
            { random(perSecond) }, commit: commitsOnBusyProcessors)
        #expect(gathering.meanLatency <= never.meanLatency, "\(never) \(gathering)")
    }

    @Test("64 callers on busy processors fill batches that are large enough to go at once")
    func crowdOnBusyProcessors() {
        let (never, gathering) = compare(
            { .closedLoop(64, back: oneAfterAnother) }, commit: commitsOnBusyProcessors)
        #expect(gathering.eventsPerTransaction > 0.95 * never.eventsPerTransaction)
        #expect(gathering.eventsPerSecond > 0.98 * never.eventsPerSecond, "\(never) \(gathering)")
    }

    @Test("streams with 256 unanswered events never leave the store idle")
    func streams() {
        let (never, gathering) = compare(
            { .closedLoop(256) { 300_000 + Int64($0) * 10_000 } }, events: 10_000,
            commit: commitsOnBusyProcessors)
        #expect(gathering.eventsPerTransaction > 100, "\(never) \(gathering)")
        #expect(gathering.eventsPerSecond > 0.98 * never.eventsPerSecond)
    }

    @Test("a batch of sixteen is not held, whoever is still missing")
    func largeBatch() {
        var gathering = Gathering(contract: .milliseconds(50))
        let start = MonotonicInstant(nanoseconds: 0)
        for round in 0..<20 {
            let answered = start + .milliseconds(Int64(round) * 10)
            gathering.committed(in: .milliseconds(4), answering: 64, at: answered)
            for _ in 0..<60 { gathering.arrived(at: answered + .milliseconds(1)) }
        }
        let last = start + .milliseconds(200)
        gathering.committed(in: .milliseconds(4), answering: 64, at: last)
        #expect(gathering.holdUntil(last, waiting: 15) != nil)
        #expect(gathering.holdUntil(last, waiting: 16) == nil)
    }

    @Test("a backlog without end is never held up")
    func backlog() {
        let (_, gathering) = compare(
            { .closedLoop(1_024) { _ in 100_000 } }, events: 10_000,
            commit: commitsOnBusyProcessors)
        #expect(gathering.holds == 0)
    }

    @Test("no batch is held beyond an eighth of the contract, nor where two commits fill it")
    func bounds() {
        var gathering = Gathering(contract: Self.contract)
        var now = MonotonicInstant(nanoseconds: 0)
        func round(commit: Nanoseconds) -> Nanoseconds? {
            now = now + commit
            gathering.committed(in: commit, answering: 8, at: now)
            for _ in 0..<7 {
                now = now + Nanoseconds(50_000)
                gathering.arrived(at: now)
            }
            let hold = gathering.holdUntil(now, waiting: 7).map { $0 - now }
            gathering.arrived(at: now)
            return hold
        }
        for _ in 0..<100 { _ = round(commit: .milliseconds(1)) }
        var longest = Nanoseconds.zero
        for _ in 0..<10 { longest = max(longest, round(commit: .milliseconds(18)) ?? .zero) }
        #expect(longest > .milliseconds(4))
        #expect(longest <= Nanoseconds(6_250_000))
        for _ in 0..<100 { _ = round(commit: .milliseconds(26)) }
        #expect(round(commit: .milliseconds(26)) == nil)
    }

    @Test("what the store can do is learned anew when it has become slower for good")
    func forgetting() {
        var gathering = Gathering(contract: Self.contract)
        var now = MonotonicInstant(nanoseconds: 0)
        /// Whether a batch is held when two fifths of a commit have almost passed and 4 of 16 callers have still to come.
        func isHeld(commit: Nanoseconds) -> Bool {
            now = now + commit
            gathering.committed(in: commit, answering: 16, at: now)
            for _ in 0..<12 { gathering.arrived(at: now + commit / 8) }
            let until = gathering.holdUntil(now + commit * 39 / 100, waiting: 15)
            for _ in 0..<4 { gathering.arrived(at: now + commit * 2 / 5) }
            now = now + commit
            return until != nil
        }
        for _ in 0..<100 { _ = isHeld(commit: .milliseconds(2)) }
        for _ in 0..<50 { _ = isHeld(commit: .milliseconds(10)) }
        #expect(isHeld(commit: .milliseconds(10)))
        for _ in 0..<15_000 { _ = isHeld(commit: .milliseconds(10)) }
        #expect(!isHeld(commit: .milliseconds(10)))
    }
}
