import Testing

@testable import LedgerCore

/// An election without events: what forwarding shows of the sealer is made up.
@Suite("The election by itself")
struct ElectionAloneTests {
    /// An election that has heard who it is and that the ledger is read.
    private struct Bench {
        var election = Election(settings: ReplicaSettings(identity: nil))
        var signs = SealerSigns(
            silentSince: nil, patience: .milliseconds(20), connectingPatience: .milliseconds(100),
            isWaitedFor: false, isOwed: false)
        var now = MonotonicInstant(nanoseconds: 7_000_000_000)
        private var readAt: Int64 = 0

        init() {
            election.join(as: ReplicaBench.me, signs, at: now)
            election.abilityChanged(.able, signs, at: now)
            _ = election.takeWords()
        }

        mutating func reading(_ hint: SealerHint?, revision: Int64 = 0) -> HintReading {
            readAt += 1
            return HintReading(
                hint: hint, revision: revision, readAt: readAt, lease: hint == nil ? 0 : 9)
        }

        mutating func notice(_ hint: SealerHint?, revision: Int64) -> [Election.Word] {
            election.noticed(reading(hint, revision: revision), signs, at: now)
            return election.takeWords()
        }

        /// Follows a sealer, with a link that is up.
        mutating func follow(_ hint: SealerHint = ReplicaBench.other) -> LinkID? {
            let link = notice(hint, revision: 50).effects.connected
            if let link { election.linkUp(link, at: now) }
            _ = election.takeWords()
            return link
        }

        mutating func tick(afterMilliseconds milliseconds: Int64) -> [Election.Word] {
            now = now + .milliseconds(milliseconds)
            election.tick(signs, at: now)
            return election.takeWords()
        }
    }

    @Test("each part says where events go, and whether forwarded ones are taken")
    func paths() throws {
        var bench = Bench()
        #expect(bench.election.path == .nowhere && !bench.election.takesForwards)
        #expect(bench.election.isRelying)
        let link = try required(bench.follow())
        #expect(bench.election.path == .link(link) && !bench.election.takesForwards)
        #expect(bench.election.hasHandedOver && bench.election.isRelying)
        bench.election.goDirect(at: bench.now)
        #expect(bench.election.path == .here && !bench.election.takesForwards)
        #expect(!bench.election.isRelying)
        bench.election.becomeSealer(
            3, since: bench.now, renewing: bench.now, bench.signs, at: bench.now)
        #expect(bench.election.path == .here && bench.election.takesForwards)
        #expect(!bench.election.hasHandedOver && !bench.election.isRelying)
        bench.election.leave(to: nil, bench.signs, at: bench.now)
        #expect(bench.election.path == .here && bench.election.takesForwards)
        #expect(!bench.election.hasHandedOver)
        bench.election.abilityChanged(.clockUntrusted, bench.signs, at: bench.now)
        #expect(bench.election.path == .nowhere)
    }

    @Test("a sealer that owes answers and was not in doubt is waited for, another is lost sight of")
    func leavingThePath() throws {
        for (isOwed, isSilent) in [(true, false), (false, false), (true, true)] {
            var bench = Bench()
            let link = try required(bench.follow())
            bench.signs.isOwed = isOwed
            if isSilent {
                bench.signs.silentSince = bench.now
                #expect(bench.tick(afterMilliseconds: 10).effects.readsHint)
            }
            let words = bench.notice(ReplicaBench.third, revision: 60)
            let isAwaited = isOwed && !isSilent
            #expect(words.drained == (isAwaited ? [link] : []))
            #expect(words.lost == (isAwaited ? [] : [link]))
            #expect(words.leavesPath)
        }
    }

    @Test("a sealer whose link broke is not waited for, even where it owes answers")
    func brokenLink() throws {
        var bench = Bench()
        let link = try required(bench.follow())
        bench.signs.isOwed = true
        bench.election.linkDown(link, why: "a test", bench.signs, at: bench.now)
        let words = bench.election.takeWords()
        #expect(words.lost == [link])
        #expect(words.effects.readsHint)
        // Said again, or of a link that nobody follows, it changes nothing.
        bench.election.linkDown(link, why: "a test", bench.signs, at: bench.now)
        #expect(bench.election.takeWords().isEmpty)
    }

    @Test("who waits shortens the time that a connection may take")
    func connecting() throws {
        var bench = Bench()
        _ = bench.notice(ReplicaBench.other, revision: 50)
        let begun = bench.now
        #expect(bench.election.nextWake(bench.signs) == begun + .milliseconds(1_000))
        bench.signs.isWaitedFor = true
        #expect(bench.election.nextWake(bench.signs) == begun + .milliseconds(100))
        #expect(!bench.tick(afterMilliseconds: 99).effects.readsHint)
        #expect(bench.tick(afterMilliseconds: 1).effects.readsHint)
        #expect(bench.election.role.name == "seeking")
    }

    @Test("silence is doubted after half the patience, and the hint taken after all of it")
    func doubting() throws {
        var bench = Bench()
        _ = try required(bench.follow())
        #expect(bench.election.nextWake(bench.signs) == nil)
        bench.signs.patience = .milliseconds(60)
        bench.signs.silentSince = bench.now
        #expect(bench.tick(afterMilliseconds: 29).isEmpty)
        #expect(bench.tick(afterMilliseconds: 1).effects.readsHint)
        let reading = bench.reading(ReplicaBench.other, revision: 50)
        bench.election.hintRead(
            .success(reading, counter: Revision(rawValue: 8)), bench.signs, at: bench.now)
        #expect(bench.tick(afterMilliseconds: 29).effects.take == nil)
        let take = try required(bench.tick(afterMilliseconds: 1).effects.take)
        #expect(take.hintRevision == 50 && take.counter == Revision(rawValue: 8))
        #expect(bench.election.path == .nowhere)
    }

    @Test("a sign of life ends the doubt, but not an attempt that is under way")
    func trusting() throws {
        var bench = Bench()
        let link = try required(bench.follow())
        bench.signs.silentSince = bench.now
        _ = bench.tick(afterMilliseconds: 10)
        bench.election.showsLife(link, hasSealed: true)
        guard case .following(let trusting) = bench.election.role else {
            Issue.record("\(bench.election.role)")
            return
        }
        #expect(trusting.doubt == nil)
        bench.election.showsLife(LinkID(rawValue: 99), hasSealed: true)
        #expect(bench.election.follows(link) && !bench.election.follows(LinkID(rawValue: 99)))
    }

    @Test("without an address of its own it looks at no hint")
    func nobody() {
        var election = Election(settings: ReplicaSettings(identity: nil))
        let bench = Bench()
        election.abilityChanged(.able, bench.signs, at: bench.now)
        let reading = HintReading(hint: ReplicaBench.other, revision: 5, readAt: 1, lease: 9)
        election.noticed(reading, bench.signs, at: bench.now)
        #expect(election.takeWords().isEmpty)
        #expect(election.path == .here && !election.takesForwards)
    }
}

extension [Election.Word] {
    fileprivate var effects: [ReplicaEffect] {
        compactMap { if case .perform(let effect) = $0 { effect } else { nil } }
    }

    fileprivate var lost: [LinkID] {
        compactMap { if case .lost(let link) = $0 { link } else { nil } }
    }

    fileprivate var drained: [LinkID] {
        compactMap { if case .drains(let link) = $0 { link } else { nil } }
    }

    fileprivate var leavesPath: Bool {
        contains { if case .pathLeft = $0 { true } else { false } }
    }
}
