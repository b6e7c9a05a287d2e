import LedgerCore
import LedgerReplica
import LedgerStore
import Logging
import ServiceLifecycleTestKit
import Synchronization
import Testing

@Suite("A replica whose past is in an archive")
struct ArchivedReplicaTests {
    @Test("protocol.md 26: while the archive lies a replica neither seals nor fences, and says why")
    func lyingArchive() async throws {
        var writer = LedgerWriter()
        let archive = SimulatedArchive()
        try writer.fill(to: 20_000, blocks: [1_000])
        archive.fill(from: writer.store, writer.ledger.keys)
        try writer.store.trim(writer.ledger.keys, to: 8_192, through: 20_000)
        archive[.segment(1)]?[77] ^= 1
        var store = writer.ledger
        store.archived = archive
        let before = writer.store.snapshot.keys[writer.ledger.keys.counter]?.modRevision

        let observer = ConditionRecorder()
        let replica = Replica(
            settings: ReplicaSettings(identity: nil),
            environment: ReplicaEnvironment(
                clock: HastyReplicaClock(), timers: NoTimers(), store: store, blocks: NoBlocks(),
                links: NoLinks(), observer: observer,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                random: { 7 }, checkMembers: { true }))
        await testGracefulShutdown { trigger in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { try? await replica.run() }
                // Far more often than contradictions of etcd have to come before they are believed.
                while archive.reads.count(where: { $0 == .segment(1) }) < 10 { await Task.yield() }
                let seen = observer.conditions
                #expect(seen.allSatisfy { $0.fence == nil && $0.isLoading })
                #expect(seen.contains { $0.loading?.trouble?.contains("ids segments") ?? false })
                #expect(replica.loading?.servesReads == true)
                #expect(replica.readableNumber == 20_000)
                #expect(replica.coveredNumber == nil)
                archive[.segment(1)]?[77] ^= 1
                while replica.coveredNumber == nil { await Task.yield() }
                trigger.triggerGracefulShutdown()
                await group.waitForAll()
            }
        }
        #expect(replica.coveredNumber == 20_000)
        #expect(replica.loading == nil)
        #expect(observer.conditions.allSatisfy { $0.fence == nil })
        #expect(observer.conditions.last?.loading == nil)
        let after = writer.store.snapshot.keys[writer.ledger.keys.counter]?.modRevision
        #expect(before == after, "something was sealed")
    }

    @Test("without the archive's setting a replica is not ready, and says where its past is")
    func notConfigured() async throws {
        var writer = LedgerWriter()
        try writer.fill(to: 20_000, blocks: [1_000])
        try writer.store.trim(writer.ledger.keys, to: 8_192, through: 20_000)
        let observer = ConditionRecorder()
        let replica = Replica(
            settings: ReplicaSettings(identity: nil),
            environment: ReplicaEnvironment(
                clock: HastyReplicaClock(), timers: NoTimers(), store: writer.ledger,
                blocks: NoBlocks(), links: NoLinks(), observer: observer,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                random: { 7 }, checkMembers: { true }))
        await testGracefulShutdown { trigger in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { try? await replica.run() }
                while !observer.conditions.contains(where: { $0.loading?.trouble != nil }) {
                    await Task.yield()
                }
                let trouble = observer.conditions.last?.loading?.trouble ?? ""
                #expect(trouble.contains("set LEDGER_ARCHIVE"))
                #expect(trouble.contains(SimulatedArchive.location))
                #expect(replica.readableNumber == nil)
                group.cancelAll()
            }
        }
        #expect(observer.conditions.allSatisfy { $0.fence == nil && $0.isLoading })
    }
}

/// Keeps what a replica has told of itself.
private final class ConditionRecorder: ReplicaObserver {
    private let told = Mutex<[ReplicaCondition]>([])

    var conditions: [ReplicaCondition] { told.withLock { $0 } }

    func changed(_ condition: ReplicaCondition) { told.withLock { $0.append(condition) } }
    func reported(_ report: ReplicaReport, part: String) {}
    func sealing(_ plan: BatchPlan) {}
    func applied(after length: Nanoseconds) {}
    func forwarding(events: Int) {}
    func gaveHintBack() {}
}

/// A clock on which a second is a millisecond.
private struct HastyReplicaClock: ReplicaClock {
    private let origin = ContinuousClock.now

    var now: MonotonicInstant {
        let (seconds, attoseconds) = origin.duration(to: .now).components
        return MonotonicInstant(
            nanoseconds: (seconds * 1_000_000_000 + attoseconds / 1_000_000_000) * 1_000)
    }

    var moment: Moment { Moment(now: now, wall: .trusted(milliseconds: 1_700_000_000_000)) }

    func sleep(for length: Nanoseconds) async throws {
        try await Task.sleep(for: .nanoseconds(max(0, length.count / 1_000)))
    }

    func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
}

private struct NoTimers: ReplicaTimers {
    private struct Timer: ReplicaTimer {
        func cancel() {}
    }

    func schedule(
        after length: Nanoseconds, _ ring: @escaping @Sendable () -> Void
    ) -> any ReplicaTimer { Timer() }
}

private struct NoBlocks: SealedBlocks {
    struct Absent: Error {}

    func events(of first: SequenceNumber) async throws -> [SealedEntry] { throw Absent() }

    func event(
        _ number: SequenceNumber, startedBy first: SequenceNumber?
    ) async throws -> SealedEntry { throw Absent() }

    func keep(first: SequenceNumber, bytes: [UInt8], events: Int) {}
}

private struct NoLinks: ReplicaLinks {
    private struct Link: ReplicaLink {
        func run(_ handle: @escaping @Sendable (LinkEvent) -> Void) async {}
        func send(_ submissions: [Submission]) {}
        func recall(_ tokens: [SubmissionToken]) {}
        func close() {}
    }

    func link(
        to hint: SealerHint, known: LedgerObservation?, clusterID: UInt64
    ) -> any ReplicaLink { Link() }
}
