import LedgerAPI
import LedgerArchive
import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import Logging
import ObjectStorage
import ServiceLifecycle
import SwiftProtobuf
import Synchronization

/// Wires the archive: where events that have left etcd are read, what writes it, what deletes what is safe there from
/// etcd, and what it says of the ledger.
final class Archive: Sendable {
    /// Where reads of the ledger turn to for what has left etcd.
    let reader: ArchiveReader

    private let objects: any ObjectStore
    private let connection: (any Service)?
    private let checkpoint: ArchivedCheckpoint
    private let settings: Archiver.Settings
    private let trimming: TrimSettings
    private let logger: Logger
    /// Made after the replica, whom they watch.
    private let parts = Mutex<(archiver: Archiver, trimmer: Trimmer)?>(nil)

    /// Nothing is asked of the storage yet.
    private init(
        _ objects: any ObjectStore, connection: (any Service)?,
        configuration: ServiceConfiguration, logger: Logger
    ) {
        self.objects = objects
        self.connection = connection
        self.logger = logger
        reader = ArchiveReader(
            objects, cacheBytes: configuration.archiveCacheBytes, logger: logger)
        checkpoint = ArchivedCheckpoint(objects, keys: configuration.ledgerKeys, logger: logger)
        settings = Archiver.Settings(
            interval: Nanoseconds(configuration.archiveInterval), origin: configuration.origin,
            keys: configuration.ledgerKeys)
        trimming = TrimSettings(
            location: objects.location, retainedEvents: configuration.archiveRetention.count)
    }

    /// The archive that is configured; nil where none is. Its metrics are there in any case.
    ///
    /// - Throws: `ConfigurationError` where the storage cannot be used at all.
    static func make(
        configuration: ServiceConfiguration, metrics: LedgerMetrics, logger: Logger
    ) throws -> Archive? {
        let observer = metrics.archiveObserver()
        let archive = try configuration.archive.map { settings in
            let (objects, connection) = try settings.makeStore(observer: observer)
            return Archive(
                objects, connection: connection, configuration: configuration, logger: logger)
        }
        metrics.observe(
            archiver: { [weak archive] in archive?.status },
            reader: { [weak archive] in archive?.reader.status })
        return archive
    }

    /// Writes what this replica covers, deletes what is safe and old from etcd, and checks what is read with its tree from
    /// now on.
    func begin(
        beside replica: Replica, store: LedgerStore, tree: TreeReader, clock: any ReplicaClock
    ) {
        reader.check(with: tree) { [weak replica] in replica?.digest(ofSegment: $0) }
        // A cache of its own: what is written once must not displace what callers read.
        let own = TreeReader(
            store: store.patient, tree: { replica.tree }, cacheBytes: 1 << 20)
        let archiver = Archiver(
            settings: settings, store: store, objects: objects, tree: own, clock: clock,
            logger: logger,
            view: {
                Archiver.View(
                    leads: replica.leads, isFenced: replica.fence != nil,
                    head: replica.coveredNumber)
            },
            covered: { await replica.waitUntilCovered($0, within: $1) },
            blockStart: { replica.blockStart(of: $0) })
        let trimmer = Trimmer(
            settings: trimming, store: store,
            archive: ArchiveReadBack(store: store, archive: reader, tree: own, clock: clock),
            clock: clock,
            logger: logger, isWanted: { replica.leads && replica.fence == nil })
        parts.withLock { $0 = (archiver, trimmer) }
    }

    /// The archive as what has seen something of this ledger.
    var source: OutsideSources.Source {
        .init("archive") { [checkpoint] in await checkpoint.records() }
    }

    /// How many events are in the archive alone, as far as is known here.
    var trimmed: UInt64 { status?.trimmed ?? 0 }

    /// Nil before it has begun.
    var status: Archiver.Status? {
        guard let (archiver, trimmer) = parts.withLock({ $0 }) else { return nil }
        var status = archiver.status
        status.trimmed = max(status.trimmed, trimmer.status.trimmed.rawValue)
        return status
    }

    /// All that runs as long as the service does, stopped from the last to the first.
    var services: [any Service] {
        [connection].compactMap { $0 } + working
    }

    private var working: [any Service] {
        parts.withLock { $0 }.map { [$0.archiver, $0.trimmer] } ?? []
    }

    /// How it is, for the detailed view of health.
    var dependencies: [Ledger_DependencyHealth] {
        guard let status else { return [] }
        return [
            .with {
                $0.name = "archive"
                $0.type = .database
                // Events are sealed without it.
                $0.isCritical = false
                ($0.status, $0.message, $0.error) = judgement(of: status)
                $0.metadata = [
                    "location": objects.location, "through": "\(status.through ?? 0)",
                    "trimmed": "\(status.trimmed)", "lag_events": "\(status.lagEvents)",
                    "lag_seconds": "\(Int64(status.lag.seconds))",
                ]
            }
        ]
    }

    private func judgement(
        of status: Archiver.Status
    ) -> (Ledger_ServiceStatus, message: String, error: String) {
        if let trouble = status.trouble {
            return (
                .degraded, "events are not archived, and nothing leaves etcd: \(trouble)",
                trouble.code
            )
        }
        if let trouble = reader.status.trouble { return (.degraded, "\(trouble)", "reading") }
        if let trouble = parts.withLock({ $0 })?.trimmer.status.trouble {
            return (.degraded, "old events do not leave etcd: \(trouble)", "trimming")
        }
        if status.lag > settings.interval * 4 {
            return (
                .degraded,
                "\(status.lagEvents) events wait to be archived, the oldest for \(Int64(status.lag.seconds)) s",
                "lag"
            )
        }
        guard let through = status.through else {
            return (.healthy, "it has not been read yet how far the archive is", "")
        }
        return (.healthy, "events are archived up to \(through)", "")
    }
}

extension ArchiveSettings {
    /// Makes the storage; connects to nobody yet.
    ///
    /// - Returns: it, and what runs as long as the service does so that its connections end with it.
    func makeStore(
        observer: @escaping ObjectRequestObserver
    ) throws -> (store: any ObjectStore, connection: (any Service)?) {
        switch location {
        case .folder(let path): return (FolderStore(path: path, observer: observer), nil)
        case .s3(let bucket, let prefix):
            var settings = S3Settings(bucket: bucket, prefix: prefix, credentials: credentials)
            settings.region = region
            settings.endpoint = endpoint.map { "\($0)" }
            settings.caCertificatePath = caCertificatePath
            settings.addressing = addressing
            settings.conditionalPut = conditionalPut
            do throws(ObjectStoreError) {
                let store = try S3Store(settings, observer: observer)
                return (store, StorageConnection { await store.shutDown() })
            } catch {
                throw ConfigurationError(
                    SettingName.archive.rawValue, value: "\(location)", accepted: error.message)
            }
        }
    }

    /// What the configuration has checked: a key and its secret, both themselves or both in files.
    private var credentials: S3CredentialSource {
        switch (accessKey, secretKey) {
        case (.file(let accessKey), .file(let secretKey)):
            .files(
                accessKey: accessKey, secretKey: secretKey, sessionToken: sessionToken?.path)
        default:
            .fixed(
                S3Credentials(
                    accessKey: accessKey?.value ?? "", secretKey: secretKey?.value ?? "",
                    sessionToken: sessionToken?.value))
        }
    }
}

/// Ends the connections to the object storage when the service stops, after all that use them.
private struct StorageConnection: Service {
    let shutDown: @Sendable () async -> Void

    func run() async throws {
        try? await gracefulShutdown()
        await shutDown()
    }
}

extension ServiceConfiguration {
    /// The share of `LEDGER_CACHE_BYTES` that is kept of the archive: half of it.
    var archiveCacheBytes: Int { archive == nil ? 0 : cacheBytes / 2 }
    /// The share that is kept of blocks.
    var blockCacheBytes: Int { cacheBytes - archiveCacheBytes }
}
