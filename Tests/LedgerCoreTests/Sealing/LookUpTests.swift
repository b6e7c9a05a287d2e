import Testing

@testable import LedgerCore

/// Events that may be sealed already are looked up beside the loop, a few at a time (PROTOCOL.md 16).
@Suite("Looking up duplicates")
struct LookUpTests {
    /// A machine that has sealed so many events, each in a block of its own.
    private func bench(sealed count: Int, lookUps: Int = 8) throws -> MachineBench {
        var bench = MachineBench(settings: SealingSettings(maxLookUps: lookUps))
        for number in 1...count { bench.seal("old-\(number)", revision: Int64(number) + 1) }
        return bench
    }

    private func original(_ number: UInt64) -> SealedEntry {
        let entry = Entry(
            sequenceNumber: SequenceNumber(number),
            event: MachineBench.event("old-\(number)"), sealedTimestamp: 0, previousHash: .zero)
        return SealedEntry(entry: entry, eventHash: .zero)
    }

    @Test("4,000 old duplicates at once are at most 8 look-ups at a time, in order")
    func bounded() throws {
        var bench = try bench(sealed: 200)
        var running: [LookUp] = []
        for number in 0..<4_000 { running += bench.submit("old-\(number % 200 + 1)").lookUps }
        #expect(running.count == 8)
        #expect(bench.machine.lookUpCounts == (8, 200))
        var blocks: [UInt64] = running.compactMap(\.block?.rawValue)
        var answered = 0
        var most = 0
        while let next = running.first {
            running.removeFirst()
            let number = next.block?.rawValue ?? 0
            let actions = bench.lookedUp(next, .found(original(number)))
            answered += actions.outcomes.count
            running += actions.lookUps
            blocks += actions.lookUps.compactMap(\.block?.rawValue)
            most = max(most, running.count)
        }
        #expect(answered == 4_000)
        #expect(most <= 8)
        // Each block once for all that waited for it, and once more for those that came while the first eight were read.
        #expect(blocks.count == 208)
        #expect(blocks.dropFirst(8).prefix(192) == (9...200).map { UInt64($0) }[...])
        #expect(bench.machine.lookUpCounts == (0, 0))
    }

    @Test("who was answered or is gone is not looked up any more")
    func abandoned() throws {
        var bench = try bench(sealed: 3, lookUps: 1)
        let first = try required(bench.submit("old-1").lookUps.first)
        let gone = bench.submission("old-2")
        let waiting = bench.machine.submit(gone, at: bench.moment)
        #expect(waiting.lookUps.isEmpty)
        _ = bench.machine.cancel(gone.token)
        #expect(bench.submit("old-3").lookUps.isEmpty)
        let next = bench.lookedUp(first, .found(original(1))).lookUps
        #expect(next.compactMap(\.block?.rawValue) == [3])
        // Their time is up before their turn has come.
        _ = bench.submit("old-2")
        #expect(bench.tick(afterMilliseconds: 51).outcomes.count == 2)
        #expect(bench.lookedUp(try required(next.first), .found(original(3))).lookUps.isEmpty)
        #expect(bench.machine.lookUpCounts == (0, 0))
    }

    @Test("all that wait for one block are settled by one look-up, each by what was found for it")
    func shared() throws {
        var bench = try bench(sealed: 1, lookUps: 1)
        let first = try required(bench.submit("old-1").lookUps.first)
        _ = bench.submit("old-1")
        _ = bench.submit("old-1")
        let second = try required(bench.lookedUp(first, .found(original(1))).lookUps.first)
        #expect(second.items.count == 2)
        let tokens = second.items.map(\.submission.token)
        let actions = bench.machine.lookedUp(
            second.block, [(tokens[0], .failed), (tokens[1], .otherEvents(through: 1))],
            at: bench.moment)
        #expect(actions.outcomes == [.notSealed(.lookupFailed)])
        #expect(actions.plan?.submissions.map(\.token) == [tokens[1]])
    }

    @Test("a fingerprint that hundreds of events share is not read for one submission")
    func crowdedFingerprint() throws {
        var state = LedgerState(indexSeed: 7)
        var bench = MachineBench()
        let proposal = try required(bench.send("popular"))
        _ = bench.end(proposal, .applied(Revision(rawValue: 2)))
        state = try required(bench.machine.state)
        for round in 0..<65 {
            let submission = bench.submission("popular")
            let plan = BatchPlan(
                id: UInt64(round) + 100, submissions: [submission], base: BatchBase(state),
                sealedTimestamp: 1_700_000_000_000, plannedAt: bench.moment.now)
            state.adopt(Proposal(plan), revision: Revision(rawValue: Int64(round) + 3))
        }
        var crowded = SealingStateMachine(settings: SealingSettings())
        _ = crowded.loaded(state, at: bench.moment)
        let actions = crowded.submit(bench.submission("popular"), at: bench.moment)
        #expect(actions.outcomes == [.notSealed(.lookupFailed)])
        #expect(crowded.queuedEvents == 0)
    }
}
