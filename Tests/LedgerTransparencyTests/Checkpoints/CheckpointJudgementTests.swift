import LedgerCore
import LedgerStore
import LedgerTransparency
import Testing

@Suite("CheckpointJudgement")
struct CheckpointJudgementTests {
    private let own: NoteSigner
    private let other: NoteSigner
    private let head: Head
    private let revision = Revision(rawValue: 8)

    init() throws {
        own = try NoteSigner(name: "a", privateKey: Array(repeating: 1, count: 32))
        other = try NoteSigner(name: "a", privateKey: Array(repeating: 2, count: 32))
        var frontier = MerkleFrontier()
        for number in 1...5 { frontier.append(.sha256([UInt8(number)])) }
        head = Head(
            sequence: SequenceNumber(rawValue: 5), eventHash: .zero, sealedTimestamp: 0,
            tree: frontier)
    }

    private func judge(
        _ note: SignedNote, origin: String = "a", decision: FenceRecord? = nil
    ) -> CheckpointJudgement {
        CheckpointJudgement(
            .init(bytes: note.encoded(), revision: revision), head: head, origin: origin,
            keys: [own.verifier], decision: decision)
    }

    @Test("nothing, or something older, may be replaced; older needs its proof")
    func replaceable() throws {
        #expect(
            CheckpointJudgement(nil, head: head, origin: "a", keys: [])
                == .replaceable(.absent, after: nil))
        for signer in [own, other] {
            let note = try signer.note(size: 3, root: .zero)
            guard case .replaceable(revision, .some(let before)) = judge(note) else {
                Issue.record("\(judge(note))")
                return
            }
            #expect(before.checkpoint.size == 3)
        }
    }

    @Test("one of the head's size and root is up to date, whoever signed it")
    func upToDate() throws {
        for signer in [own, other] {
            #expect(try judge(signer.note(size: 5, root: head.tree.root)) == .upToDate)
        }
    }

    @Test("more, or another root, is a contradiction where the own key has signed it")
    func contradiction() throws {
        for (size, root): (UInt64, Digest) in [(5, .zero), (6, .zero), (.max, .zero)] {
            let note = try own.note(size: size, root: root)
            let record = OutsideRecord(
                source: OutsideRecord.storedCheckpoint, size: size, root: root)
            #expect(judge(note) == .contradiction(record))
            guard case .foreign = try judge(other.note(size: size, root: root)) else {
                Issue.record("a stranger's checkpoint counts")
                return
            }
            let decision = FenceRecord(
                .accepted(size: 5, root: head.tree.root), records: [record])
            #expect(judge(note, decision: decision) == .replaceable(revision, after: nil))
        }
    }

    @Test("another origin, or no note, is somebody else's")
    func foreign() throws {
        let note = try own.note(size: 3, root: .zero)
        guard case .foreign = judge(note, origin: "b") else {
            Issue.record("another origin's checkpoint counts")
            return
        }
        let broken = CheckpointJudgement(
            .init(bytes: [1], revision: revision), head: head, origin: "a", keys: [])
        guard case .foreign = broken else {
            Issue.record("\(broken)")
            return
        }
    }
}

@Suite("CheckpointPace")
struct CheckpointPaceTests {
    private func at(_ milliseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("the replica that seals puts one a second, and the first one at once")
    func leading() {
        var pace = CheckpointPace()
        #expect(pace.delay(leads: true, at: at(5)) == .zero)
        pace.began(at: at(5))
        let puts = pace.shouldPut(covered: 0, head: 1, leads: true, at: at(5))
        #expect(puts)
        #expect(pace.delay(leads: true, at: at(305)) == .milliseconds(700))
        #expect(pace.delay(leads: true, at: at(2_000)) == .zero)
        let puts2 = pace.shouldPut(covered: 1, head: 1, leads: true, at: at(2_000))
        #expect(!puts2)
    }

    @Test("another one waits until what it saw is overdue, and not for what came later")
    func following() {
        var pace = CheckpointPace()
        var decisions: [Bool] = []
        for (covered, head, time): (UInt64, UInt64, Int64) in [
            (0, 10, 0), (0, 20, 300), (9, 30, 700), (9, 40, 800),
            (40, 50, 900), (49, 60, 1_600), (50, 60, 1_650), (50, 60, 2_400), (50, 60, 2_450),
        ] {
            decisions.append(
                pace.shouldPut(covered: covered, head: head, leads: false, at: at(time)))
        }
        #expect(
            decisions == [false, false, false, true, false, false, false, false, true])
    }
}
