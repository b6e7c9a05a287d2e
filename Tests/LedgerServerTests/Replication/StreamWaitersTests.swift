import LedgerCore
import Testing

@testable import LedgerReplica

@Suite("Streams that wait for room")
struct StreamWaitersTests {
    private func stream(_ number: Int) -> StreamID { StreamID(rawValue: UInt64(number)) }

    @Test("an event looks at one load, however many streams wait")
    func bounded() {
        var waiters = StreamWaiters<Int>()
        for number in 0..<10_000 { waiters.add(stream(number), load: 20 + number % 50, number) }
        var looks = 0
        for _ in 0..<100 {
            let woken = waiters.resume { load in
                looks += 1
                return load < 20
            }
            #expect(woken.isEmpty)
        }
        #expect(looks == 100)
    }

    @Test("those whose load allows it are woken, and no others")
    func woken() {
        var waiters = StreamWaiters<Int>()
        for number in 0..<1_000 { waiters.add(stream(number), load: number % 10, number) }
        var looks = 0
        let woken = waiters.resume { load in
            looks += 1
            return load < 3
        }
        #expect(Set(woken.map(\.1)) == Set((0..<1_000).filter { $0 % 10 < 3 }))
        #expect(woken.allSatisfy { $0.0 == stream($0.1) })
        #expect(looks == 4)
        let rest = waiters.resume { _ in true }
        #expect(rest.count == 700)
        #expect(waiters.isEmpty)
    }

    @Test("a stream of which fewer events wait is woken at its new load")
    func changed() {
        var waiters = StreamWaiters<Int>()
        waiters.add(stream(1), load: 5, 1)
        waiters.add(stream(2), load: 5, 2)
        waiters.changed(stream(1), load: 0)
        waiters.changed(stream(3), load: 0)
        let first = waiters.resume { $0 < 1 }
        #expect(first.map(\.1) == [1])
        waiters.changedAll { _ in 0 }
        let second = waiters.resume { $0 < 1 }
        #expect(second.map(\.1) == [2])
        #expect(waiters.isEmpty)
    }

    /// The core's own judgement must be one that waiting by load can rest on.
    @Test("where a stream may not be read, one with more waiting events may not either")
    func monotone() throws {
        let settings = ReplicaSettings(
            identity: nil, sealing: SealingSettings(maxBatchEvents: 64))
        var core = ReplicaCore(settings: settings)
        let moment = Moment(
            now: MonotonicInstant(nanoseconds: 1), wall: .trusted(milliseconds: 1_700_000_000_000))
        _ = core.handle(.loaded(LedgerState(indexSeed: 3)), at: moment)
        for number in 0..<200 {
            let event = try CertifiedEvent(
                eventID: Array("event-\(number)".utf8), payload: [], vepsSignature: [],
                vepsTimestamp: 0, metadata: [], submitter: [], limits: EventLimits())
            let submission = Submission(
                token: SubmissionToken(rawValue: UInt64(number)), stream: stream(number % 7),
                event: event, template: EntryTemplate(event), receivedAt: moment.now,
                callerDeadline: nil, settings: settings.sealing, caller: NobodyWaits())
            _ = core.handle(.submitted(submission), at: moment)
            let judgements = (0..<300).map { core.mayRead(load: $0, at: moment.now) }
            let firstNo = judgements.firstIndex(of: false) ?? judgements.endIndex
            #expect(judgements[firstNo...].allSatisfy { !$0 })
        }
    }
}
