import LedgerCore
import Synchronization
import Testing

@testable import LedgerReplica
@testable import LedgerServer

/// What the core decides is done, and in its order, whatever happens meanwhile on whichever thread.
@Suite("A replica's driver", .timeLimit(.minutes(1)))
struct ReplicaDriverTests {
    /// A link that writes down what it is given.
    private final class Recorder: ReplicaLinks, ReplicaLink {
        private let lines = Mutex<[String]>([])
        private let interruption = Mutex<(@Sendable () -> Void)?>(nil)

        var all: [String] { lines.withLock { $0 } }

        /// Has something done in the middle of the next sending.
        func interrupt(_ action: @escaping @Sendable () -> Void) {
            interruption.withLock { $0 = action }
        }

        private func note(_ line: String) { lines.withLock { $0.append(line) } }

        func link(
            to hint: SealerHint, known: LedgerObservation?, clusterID: UInt64
        ) -> any ReplicaLink {
            note("connect")
            return self
        }

        func run(_ handle: @escaping @Sendable (LinkEvent) -> Void) async {}

        func send(_ submissions: [Submission]) {
            interruption.withLock { $0.take() }?()
            note("send \(submissions.map(\.token.rawValue))")
        }

        func recall(_ tokens: [SubmissionToken]) { note("recall \(tokens.map(\.rawValue))") }

        func close() { note("close") }
    }

    private let links = Recorder()
    private let replica: Replica
    private let link = LinkID(rawValue: 1)

    /// A replica that forwards.
    init() throws {
        let loaded = try LoadedReplica(
            events: 1, identity: SealerHint(address: "own:1", id: "own"), links: links)
        replica = loaded.replica
        loaded.load()
        let other = SealerHint(address: "other:1", id: "other")
        replica.send(.noticedHint(HintReading(hint: other, revision: 50, readAt: 60, lease: 1)))
        replica.send(.linkUp(link))
    }

    private func submit(_ number: UInt64, of stream: StreamID? = nil) throws {
        replica.submit(try LoadedReplica.submission(100 + number, of: stream))
    }

    @Test("what is decided while something is sent is sent after it, in the order decided")
    func order() throws {
        let submissions = try (2...4).map { try LoadedReplica.submission(100 + $0) }
        links.interrupt { [replica] in
            for submission in submissions { replica.submit(submission) }
            replica.cancel([submissions[0].token, submissions[2].token])
        }
        try submit(1)
        #expect(
            links.all == [
                "connect", "send [101]", "send [102]", "send [103]", "send [104]",
                "recall [102, 104]",
            ])
    }

    @Test("the sealer is told of what was forwarded and nobody waits for any more")
    func recalls() throws {
        try submit(1)
        replica.cancel([SubmissionToken(rawValue: 101)])
        #expect(links.all.last == "recall [101]")
        replica.send(.linkDown(link, why: "test"))
        #expect(links.all.last == "close")
    }

    @Test(
        "a stream that waits for room goes on once some of its events are answered, and not before")
    func roomInStream() throws {
        let stream = replica.makeStreamID()
        var count: UInt64 = 0
        repeat {
            count += 1
            try #require(count < 5_000)
            try submit(count, of: stream)
        } while replica.mayRead(stream)
        let woken = Atomic(0)
        replica.whenRoom(stream) { woken.add(1, ordering: .relaxed) }
        #expect(woken.load(ordering: .relaxed) == 0)
        let seal = Seal(
            sequenceNumber: SequenceNumber(rawValue: 2), eventHash: .zero, previousHash: .zero,
            sealedTimestamp: 0)
        replica.send(.answered(link, [(SubmissionToken(rawValue: 101), .sealed(seal))]))
        #expect(woken.load(ordering: .relaxed) == 1)
        // Once only.
        replica.send(.answered(link, [(SubmissionToken(rawValue: 102), .sealed(seal))]))
        #expect(woken.load(ordering: .relaxed) == 1)
        // Who may read is called at once.
        replica.whenRoom(stream) { woken.add(1, ordering: .relaxed) }
        #expect(woken.load(ordering: .relaxed) == 2)
    }

    @Test("so does one that waits as a task")
    func waitingTask() async throws {
        let stream = replica.makeStreamID()
        var count: UInt64 = 0
        repeat {
            count += 1
            try #require(count < 5_000)
            try submit(count, of: stream)
        } while replica.mayRead(stream)
        async let waiting: Void = replica.waitForRoom(stream)
        let seal = Seal(
            sequenceNumber: SequenceNumber(rawValue: 2), eventHash: .zero, previousHash: .zero,
            sealedTimestamp: 0)
        replica.send(.answered(link, [(SubmissionToken(rawValue: 101), .sealed(seal))]))
        await waiting
    }
}
