import LedgerCore
package import LedgerReplica
package import LedgerStore
package import Logging
import ServiceLifecycle
import Synchronization

/// Deletes from etcd what is old and safe in the archive. What is done when, `TrimMachine` decides; any number of
/// trimmers do no harm.
package final class Trimmer: Service {
    /// How long one request of the store may take.
    private static let timeout = Duration.seconds(5)

    private let store: LedgerStore
    private let archive: any TrimReadBack
    private let clock: any ReplicaClock
    private let logger: Logger
    private let isWanted: @Sendable () -> Bool
    private let machine: Mutex<TrimMachine>

    /// - Parameters:
    ///   - archive: reads back what is to leave etcd.
    ///   - isWanted: whether this replica is to trim now: the one that seals does, and none that is fenced.
    package init(
        settings: TrimSettings, store: LedgerStore, archive: any TrimReadBack,
        clock: any ReplicaClock, logger: Logger, isWanted: @escaping @Sendable () -> Bool
    ) {
        self.store = store.patient
        self.archive = archive
        self.clock = clock
        self.logger = logger
        self.isWanted = isWanted
        machine = Mutex(TrimMachine(settings: settings, keys: store.keys))
    }

    package var status: TrimStatus { machine.withLock { $0.status } }

    /// Trims until the service stops.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var action = TrimMachine.Action.wait(.zero)
            while !Task.isCancelled { action = await self.perform(action) }
        }
    }

    /// Does one thing, and says what is next.
    package func perform(_ action: TrimMachine.Action) async -> TrimMachine.Action {
        let before = status.trouble
        let next: TrimMachine.Action
        do throws(LedgerStoreError) {
            next = try await performed(action)
        } catch {
            next = machine.withLock { $0.failed("\(error)") }
        }
        if let trouble = status.trouble, trouble != before {
            logger.warning("old events are not trimmed", metadata: ["reason": "\(trouble)"])
        }
        return next
    }

    private func performed(
        _ action: TrimMachine.Action
    ) async throws(LedgerStoreError) -> TrimMachine.Action {
        switch action {
        case .wait(let time):
            try? await clock.sleep(for: time)
            guard isWanted() else { return .wait(machine.withLock { $0.settings.interval }) }
            return machine.withLock { $0.woke() }
        case .look:
            let view = try await look()
            return machine.withLock { $0.looked(view) }
        case .readBack(let segments):
            let digests = try await archive.readBack(segments)
            return machine.withLock { $0.haveReadBack(digests) }
        case .raise(let trim):
            let result = await store.trim(trim, timeout: Self.timeout)
            if case .done(let stored) = result {
                logger.info(
                    "old events leave etcd: the archive has them",
                    metadata: ["trimmed": "\(stored.record.trimmed)"])
            }
            return machine.withLock { $0.raised(result) }
        case .findBlock(let number):
            let block = try await store.newestStoredBlockStart(atOrBelow: number)
            return machine.withLock { $0.found(block: block) }
        case .list(let range, let limit):
            let keys =
                range.key.lexicographicallyPrecedes(range.rangeEnd)
                ? try await store.lowestKeys(in: range, limit: limit) : []
            return machine.withLock { $0.listed(keys) }
        case .delete(let range, let archive):
            let begin = clock.now
            let result = await store.delete(range, allowedBy: archive, timeout: Self.timeout)
            let took = clock.now - begin
            return machine.withLock { $0.deleted(result, took: took) }
        }
    }

    private func look() async throws(LedgerStoreError) -> TrimMachine.View {
        let segments = try await store.archivedSegments(timeout: Self.timeout)
        let observed = try await store.observe(timeout: Self.timeout)
        return TrimMachine.View(
            head: observed.observation.head, format: observed.observation.format,
            isFenced: observed.fence?.reason != nil, archive: observed.archive,
            digest: segments.digest, digestRevision: segments.revision)
    }
}
