import LedgerCore
package import LedgerStore
package import LedgerTransparency
import Synchronization

/// Reads the stored checkpoint for whoever asks: linearizably, in one read for all that wait, and compared with the tree
/// before anybody gets it.
package final class CheckpointReader: Sendable {
    /// How long one read of the key may take.
    private static let timeout = Duration.seconds(1)
    /// The least time between two reads, however many ask.
    private static let interval = Duration.milliseconds(20)
    /// How often it is looked for one that covers more.
    private static let pollInterval = Duration.milliseconds(100)

    private let reads: FreshReads<PublishedCheckpoint?, LedgerRPCError>
    private let newestSize: NewestSize

    /// - Parameters:
    ///   - trust: whose checkpoints are handed out.
    ///   - reader: says how far the ledger goes.
    package init(
        store: LedgerStore, tree: TreeReader, trust: CheckpointTrust, reader: EventReader
    ) {
        let checked = CheckedCheckpoint(store: store, tree: tree, trust: trust, reader: reader)
        let newestSize = NewestSize()
        self.newestSize = newestSize
        reads = FreshReads(interval: Self.interval, cancelled: .readCancelled) {
            do {
                let found = try await checked.read(timeout: Self.timeout)
                if let found { newestSize.note(found.checkpoint.size) }
                return .success(found)
            } catch {
                return .failure(
                    error as? LedgerRPCError ?? .unavailable("the checkpoint cannot be read"))
            }
        }
    }

    /// The newest checkpoint; nil where there is none.
    ///
    /// - Throws: `CORRUPT` where what is stored is none, or says something else than the tree; `UNAVAILABLE`.
    package func newest() async throws(LedgerRPCError) -> PublishedCheckpoint? {
        try await reads.value()
    }

    /// The newest checkpoint, once it covers a size or the time is over.
    package func newest(
        covering size: UInt64, until end: ContinuousClock.Instant
    ) async throws -> PublishedCheckpoint? {
        while true {
            let found = try await newest()
            let left = ContinuousClock.now.duration(to: end)
            if found?.checkpoint.size ?? 0 >= size || left <= .zero { return found }
            try await Task.sleep(for: min(left, Self.pollInterval))
        }
    }

    /// A published size that covers `size`, or the newest one; 0 where nothing is published. Only for a size beyond
    /// every checkpoint that was seen here the store is asked.
    package func publishedSize(covering size: UInt64) async throws(LedgerRPCError) -> UInt64 {
        let known = newestSize.value
        if known >= size { return known }
        return try await newest()?.checkpoint.size ?? 0
    }
}

/// The largest size of a checkpoint that was read and compared.
private final class NewestSize: Sendable {
    private let size = Atomic<UInt64>(0)

    var value: UInt64 { size.load(ordering: .relaxed) }

    func note(_ size: UInt64) {
        self.size.max(size, ordering: .relaxed)
    }
}

/// Reads the key and compares what it says; the same bytes need that only once, for a tree's past never changes.
private final class CheckedCheckpoint: Sendable {
    private let store: LedgerStore
    private let tree: TreeReader
    private let trust: CheckpointTrust
    private let reader: EventReader
    private let last = Mutex<PublishedCheckpoint?>(nil)

    init(
        store: LedgerStore, tree: TreeReader, trust: CheckpointTrust, reader: EventReader
    ) {
        self.store = store
        self.tree = tree
        self.trust = trust
        self.reader = reader
    }

    func read(timeout: Duration) async throws -> PublishedCheckpoint? {
        let stored: LedgerStore.StoredCheckpoint?
        do throws(LedgerStoreError) {
            stored = try await store.checkpoint(timeout: timeout)
        } catch {
            throw error.asRPCError
        }
        guard let stored else { return nil }
        if let last = last.withLock({ $0 }), last.bytes == stored.bytes { return last }
        if case .refused(let reason) = trust.statement(of: stored) {
            throw LedgerRPCError.corrupt("what is stored as the checkpoint is \(reason)")
        }
        let published = try Self.decode(stored)
        try await compare(published.checkpoint)
        last.withLock { $0 = published }
        return published
    }

    private static func decode(
        _ stored: LedgerStore.StoredCheckpoint
    ) throws(LedgerRPCError) -> PublishedCheckpoint {
        do throws(FormatError) {
            return try PublishedCheckpoint(stored)
        } catch {
            throw .corrupt("the stored checkpoint is damaged: \(error.message)")
        }
    }

    private func compare(_ checkpoint: Checkpoint) async throws {
        // The head is read after the checkpoint, and no checkpoint is put for what is not sealed.
        if checkpoint.size > tree.coveredSize ?? 0 {
            let head = try await reader.coveredHead()
            guard checkpoint.size <= head.rawValue else {
                throw LedgerRPCError.corrupt(
                    "the stored checkpoint covers \(checkpoint.size) events, but the head is number \(head)"
                )
            }
        }
        let root: Digest
        do throws(TreeError) {
            root = try await tree.root(size: checkpoint.size)
        } catch {
            throw LedgerRPCError(error)
        }
        guard root == checkpoint.root else {
            throw LedgerRPCError.corrupt(
                "the stored checkpoint of size \(checkpoint.size) is not of this ledger's tree")
        }
    }
}

extension LedgerRPCError {
    /// What a caller is told who asked for a proof, a root or a tile.
    init(_ error: TreeError) {
        switch error.code {
        case .notLoaded: self = EventReader.starting
        case .outOfRange: self = .outOfRange(error.message)
        case .unavailable: self = error.cause?.asRPCError ?? .unavailable(error.message)
        case .corrupt: self = .corrupt(error.message)
        }
    }
}
