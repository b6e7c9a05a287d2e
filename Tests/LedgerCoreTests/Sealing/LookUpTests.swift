import Testing

@testable import LedgerCore

/// Events that may be sealed already are looked up beside the loop, a few at a time (protocol.md 16).
@Suite("Looking up duplicates")
struct LookUpTests {
    /// A replica that has sealed so many events, each in a block of its own.
    private func bench(sealed count: Int, lookUps: Int = 8) throws -> ReplicaBench {
        let bench = ReplicaBench.alone(settings: SealingSettings(maxLookUps: lookUps))
        for number in 1...count { bench.seal("old-\(number)", revision: Int64(number) + 1) }
        return bench
    }

    private func original(_ number: UInt64) -> SealedEntry {
        let entry = Entry(
            sequenceNumber: SequenceNumber(number),
            event: ReplicaBench.event("old-\(number)"), sealedTimestamp: 0, previousHash: .zero)
        return SealedEntry(entry: entry, eventHash: .zero)
    }

    @Test("4,000 old duplicates at once are at most 8 look-ups at a time, in order")
    func bounded() throws {
        let bench = try bench(sealed: 200)
        var running: [LookUp] = []
        for number in 0..<4_000 {
            running += bench.submit("old-\(number % 200 + 1)").effects.lookUps
        }
        #expect(running.count == 8)
        #expect(bench.core.lookUpCounts == (8, 200))
        var blocks: [UInt64] = running.compactMap(\.block?.rawValue)
        var answered = 0
        var most = 0
        while let next = running.first {
            running.removeFirst()
            let number = next.block?.rawValue ?? 0
            let effects = bench.lookedUp(next, .found(original(number)))
            answered += effects.outcomes.count
            running += effects.lookUps
            blocks += effects.lookUps.compactMap(\.block?.rawValue)
            most = max(most, running.count)
        }
        #expect(answered == 4_000)
        #expect(most <= 8)
        // Each block once for all that waited for it, and once more for those that came while the first eight were read.
        #expect(blocks.count == 208)
        #expect(blocks.dropFirst(8).prefix(192) == (9...200).map { UInt64($0) }[...])
        #expect(bench.core.lookUpCounts == (0, 0))
    }

    @Test("while all that waits is looked up, no batch is looked for again with every event")
    func restingQueue() throws {
        let bench = try bench(sealed: 2)
        for _ in 0..<3 { bench.submit("old-1") }
        #expect(bench.core.book.queuedCount == 3)
        #expect(!bench.core.book.mayFillBatch)
        let (token, effects) = bench.submit("new")
        #expect(effects.batch == [token])
    }

    @Test("who was answered or is gone is not looked up any more")
    func abandoned() throws {
        let bench = try bench(sealed: 3, lookUps: 1)
        let first = try required(bench.submit("old-1").effects.lookUps.first)
        let gone = bench.submission("old-2")
        let waiting = bench.send(.submitted(gone))
        #expect(waiting.lookUps.isEmpty)
        bench.cancel(gone.token)
        #expect(bench.submit("old-3").effects.lookUps.isEmpty)
        let next = bench.lookedUp(first, .found(original(1))).lookUps
        #expect(next.compactMap(\.block?.rawValue) == [3])
        // Their time is up before their turn has come.
        bench.submit("old-2")
        #expect(bench.tick(afterMilliseconds: 51).outcomes.count == 2)
        #expect(bench.lookedUp(try required(next.first), .found(original(3))).lookUps.isEmpty)
        #expect(bench.core.lookUpCounts == (0, 0))
    }

    @Test("all that wait for one block are settled by one look-up, each by what was found for it")
    func shared() throws {
        let bench = try bench(sealed: 1, lookUps: 1)
        let first = try required(bench.submit("old-1").effects.lookUps.first)
        bench.submit("old-1")
        bench.submit("old-1")
        let second = try required(bench.lookedUp(first, .found(original(1))).lookUps.first)
        #expect(second.items.count == 2)
        let tokens = second.items.map(\.submission.token)
        let effects = bench.send(
            .lookedUp(
                block: second.block,
                [(tokens[0], .failed), (tokens[1], .otherEvents(through: 1))]))
        #expect(effects.outcomes == [.notSealed(.lookupFailed)])
        #expect(effects.batch == [tokens[1]])
    }

    @Test("a fingerprint that hundreds of events share is not read for one submission")
    func crowdedFingerprint() throws {
        let bench = ReplicaBench.alone()
        let proposal = try required(bench.transact("popular"))
        bench.apply(proposal, revision: 2)
        var state = try required(bench.core.state)
        for round in 0..<65 {
            let submission = bench.submission("popular")
            let plan = BatchPlan(
                id: UInt64(round) + 100, submissions: [submission], base: BatchBase(state),
                sealedTimestamp: 1_700_000_000_000, plannedAt: bench.now)
            state.adopt(Proposal(plan), revision: Revision(rawValue: Int64(round) + 3))
        }
        let crowded = ReplicaBench(identity: nil, state: state)
        #expect(crowded.submit("popular").effects.outcomes == [.notSealed(.lookupFailed)])
        #expect(crowded.core.queuedEvents == 0)
    }
}
