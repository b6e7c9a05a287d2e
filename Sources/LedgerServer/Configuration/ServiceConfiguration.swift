package import EtcdGateway
package import GRPCEdge
package import LedgerCore
package import LedgerTransparency
package import Logging

/// Every setting of the service, read once at the start and checked as a whole.
package struct ServiceConfiguration: Sendable {
    /// How lines of the log look.
    package enum LogFormat: String, Sendable, CaseIterable {
        /// Timestamp, level, label, message, `key=value`.
        case text
        /// One JSON object a line.
        case json
    }

    /// The PEM files of the public and the internal port.
    package struct TLSFiles: Sendable, Hashable {
        /// `LEDGER_TLS_CERT`: the certificate chain.
        package var certificatePath: String
        /// `LEDGER_TLS_KEY`: the private key.
        package var keyPath: String
        /// `LEDGER_TLS_CLIENT_CA`: who may have signed a caller's certificate; nil without mTLS.
        package var clientCAPath: String?
        /// The settings that named them.
        package var names: Names

        /// Names the three files.
        package init(
            certificatePath: String, keyPath: String, clientCAPath: String? = nil,
            names: Names = .callers
        ) {
            self.certificatePath = certificatePath
            self.keyPath = keyPath
            self.clientCAPath = clientCAPath
            self.names = names
        }

        /// The three settings of one port.
        package struct Names: Sendable, Hashable {
            let certificate: SettingName
            let key: SettingName
            let clientCA: SettingName

            /// Of the port for callers.
            package static let callers = Names(
                certificate: .tlsCert, key: .tlsKey, clientCA: .tlsClientCA)
            /// Of the port for replicas.
            package static let replicas = Names(
                certificate: .internalTLSCert, key: .internalTLSKey, clientCA: .internalTLSCA)
        }
    }

    /// The connection to etcd: all `ETCD_` variables but the two of health checks.
    package var etcd: EtcdConfiguration
    /// `ETCD_HEALTH_CHECK_INTERVAL`, 1...3600 s.
    package var etcdHealthCheckInterval: Duration = .seconds(30)
    /// `ETCD_PING_TIMEOUT`, 1...60 s.
    package var etcdPingTimeout: Duration = .seconds(5)

    /// `LEDGER_PORT`, 0...65535.
    package var port = 50051
    /// `LEDGER_INTERNAL_PORT`, 0...65535.
    package var internalPort = 50052
    /// `LEDGER_ADMIN_PORT`, 0...65535.
    package var adminPort = 9464
    /// `LEDGER_TILES_PORT`, 0...65535; nil where tiles have no port of their own.
    package var tilesPort: Int?
    /// `LEDGER_TILES_ENTRIES`: `on` serves entries, and with them payloads, wherever tiles are served.
    package var servesEntries = false
    /// `LEDGER_BIND_ADDRESS`: an IP address or a host name; nil for every address of this machine, IPv4 and IPv6.
    package var bindAddress: String?
    /// `LEDGER_ADVERTISE_ADDRESS`: an IP address or a host name, without port and brackets.
    package var advertiseAddress = "127.0.0.1"
    /// `LEDGER_INTERNAL_TOKEN`: 1...1024 printable ASCII characters. A secret.
    package var internalToken: String?

    /// `LEDGER_INTERNAL_TLS_CERT`, `LEDGER_INTERNAL_TLS_KEY`, `LEDGER_INTERNAL_TLS_CA`: what replicas show one another
    /// on the internal port; nil for plaintext.
    package var internalTLS: TLSFiles?
    /// `LEDGER_INTERNAL_TLS_NAME`: the name that a replica's certificate carries.
    package var internalTLSName = "ledger-replica.immutable-ledger.svc"
    /// `LEDGER_FORWARDING`: `off` makes every replica seal for itself, which is slower from two replicas on.
    package var isForwarding = true

    /// `LEDGER_DIRECT_SUBMIT`: `off` serves the submitting calls through the gRPC library, like every other call, for
    /// comparison.
    package var servesDirectly = true

    /// `LEDGER_PREFIX`: what every key in etcd begins with, 1...256 printable ASCII characters.
    package var prefix = "ledger/"
    /// `LEDGER_COMMIT_DEADLINE_MS`, 1...60000 ms: the commit contract.
    package var commitDeadline: Duration = .milliseconds(50)
    /// `LEDGER_RESOLVE_DEADLINE_MS`, 1...60000 ms, never below the commit deadline.
    package var resolveDeadline: Duration = .milliseconds(100)
    /// `LEDGER_MAX_PAYLOAD_BYTES`, 1...65000: an entry of 65,535 bytes must be able to hold it.
    package var maxPayloadBytes = 49_152
    /// `LEDGER_MAX_CLOCK_SKEW_MS`, 1...3600000 ms.
    package var maxClockSkew: Duration = .milliseconds(5000)
    /// `LEDGER_MAX_BATCH_EVENTS`, 1...1024.
    package var maxBatchEvents = 1024
    /// `LEDGER_MAX_QUEUED_EVENTS`, 1...1048576, never below the batch.
    package var maxQueuedEvents = 16_384
    /// `LEDGER_MAX_QUEUED_BYTES`, 65,536...2^30: bytes of entries that wait to be sealed.
    package var maxQueuedBytes = 32 << 20
    /// `LEDGER_MAX_LOOKUPS`, 1...1024: look-ups of events that may be sealed already, at a time.
    package var maxLookUps = 8
    /// `LEDGER_MAX_STREAM_EVENTS`, 1...65536: events of one stream whose answers its caller has not
    /// taken.
    package var maxStreamEvents = 4_096
    /// `LEDGER_MAX_STREAM_BYTES`, 131,072...2^30: bytes of one stream's events that are accepted and whose answers its
    /// caller has not taken.
    package var maxStreamBytes = 4 << 20
    /// `LEDGER_MAX_ANSWER_BYTES`, 1,048,576...2^36: the same of all streams together.
    package var maxAnswerBytes = 128 << 20
    /// `LEDGER_CONNECTION_MAX_IDLE`, 1...86400 s: a caller's connection without a call is closed after this.
    package var connectionMaxIdle = Duration.seconds(1_800)
    /// What the two gRPC ports take from their peers.
    package var edge = EdgeLimits()
    /// `LEDGER_CACHE_BYTES`, 0...2^30: stored blocks that are kept in memory for reads.
    package var cacheBytes = 16 << 20
    /// `LEDGER_MAX_BULK_READS`, 1...64: pages of at most 9 MiB, mostly 1 MiB, that are read from etcd at a time.
    package var maxBulkReads = 2
    /// `LEDGER_MAX_BLOCK_READS`, 1...1024: single blocks that are read from etcd at a time.
    package var maxBlockReads = 16
    /// `LEDGER_MAX_WAITING_READS`, 1...1048576: reads of each of the two kinds that wait for their turn, for five
    /// seconds at most.
    package var maxWaitingReads = 4_096
    /// `LEDGER_MAX_LISTING_BYTES`, 1,048,576...2^34: stored blocks that all open listings hold for their callers.
    package var maxListingBytes = 64 << 20
    /// `LEDGER_FOLLOW_BYTES`, 0...2^30: memory for the newest blocks, which all who follow share.
    package var followBytes = 16 << 20

    /// `LEDGER_ETCD_QUOTA_BYTES`, 0...2^50: the size of its database at which etcd refuses to write, where etcd does not
    /// say it itself; 0 where it is not known.
    package var etcdQuotaBytes = 0
    /// `LEDGER_STORAGE_RESERVE`, 0...50 per cent of that: from there on nothing new is accepted.
    package var storageReserve = 5

    /// `LEDGER_AUDIT_EVENTS_PER_SECOND`, 0...1000000: how fast stored events are verified in the background; 0 is off.
    package var auditEventsPerSecond = 2_000
    /// `LEDGER_OUTSIDE_CHECK_INTERVAL`, 1...3600 s: between two comparisons of the ledger with what others have seen of
    /// it.
    package var outsideCheckInterval = Duration.seconds(60)
    /// `LEDGER_AUDIT_INTERVAL`, 1...86400 s: from the end of a pass over all stored events to the next.
    package var auditInterval = Duration.seconds(60)

    /// `LEDGER_ORIGIN`: the name in checkpoints, 1...255 bytes without white space and `+`.
    package var origin = "localhost/immutable-ledger"
    /// `LEDGER_SIGNING_KEY`: PEM files with an Ed25519 private key each.
    package var signingKeyPaths: [String] = []
    /// What those files hold: each signs every checkpoint.
    package var signers: [NoteSigner] = []
    /// `LEDGER_FORMER_KEYS`: verifier keys of this ledger that sign no more.
    package var formerKeys: [NoteVerifier] = []
    /// `LEDGER_WITNESSES`: those who are asked to cosign checkpoints, at most 16.
    package var witnesses: [WitnessAddress] = []
    /// `LEDGER_WITNESS_CA_CERT`: PEM file of the only authorities that may have signed their certificates, and that of
    /// the external checkpoint's server; nil for the system's.
    package var witnessCAPath: String?
    /// `LEDGER_EXTERNAL_CHECKPOINT`: where a checkpoint is kept that the store cannot change.
    package var externalCheckpoint: CheckpointPlace?
    /// `LEDGER_ARCHIVE` and what belongs to it; nil where nothing is archived.
    package var archive: ArchiveSettings?
    /// `LEDGER_ARCHIVE_INTERVAL`, 1...3600 s: at the latest so long after it was sealed an event is archived.
    package var archiveInterval = Duration.seconds(30)
    /// `LEDGER_ARCHIVE_RETAIN_EVENTS`, 8,192...10^9, or `all`: the newest events, which stay in etcd.
    package var archiveRetention = ArchiveSettings.Retention.events(1_000_000)
    /// `LEDGER_TLS_CERT`, `LEDGER_TLS_KEY`, `LEDGER_TLS_CLIENT_CA`; nil for plaintext.
    package var tls: TLSFiles?
    /// `LEDGER_ALLOWED_SUBMITTERS`: SANs that may submit; empty for every caller.
    package var allowedSubmitters: [CallerPattern] = []
    /// Whose reads are answered; empty: everybody's.
    package var allowedReaders: [CallerPattern] = []
    /// How many events are taken, from all submitters and from each; nil: as many as can be sealed.
    package var rateLimit: RateLimit?
    package var rateLimitPerSubmitter: RateLimit?
    /// `LEDGER_VEPS_PUBLIC_KEYS`: readable PEM files; empty where signatures are not verified.
    package var vepsPublicKeyPaths: [String] = []
    /// What those files hold.
    package var vepsPublicKeys: [VEPSVerifier.Key] = []

    /// `LOG_LEVEL`.
    package var logLevel: Logger.Level = .info
    /// `LOG_FORMAT`.
    package var logFormat: LogFormat = .text
    /// `LEDGER_AUDIT_LOG`: where a line is written for every submission; nil for nowhere.
    package var auditLog: AuditDestination?

    /// `OTEL_`: where spans go, and which.
    package var traces = TraceSettings()

    /// What should be logged once at the start: unknown names, settings that weaken something.
    package var warnings: [String] = []

    /// All keys by which a checkpoint is known to be this ledger's.
    package var ledgerKeys: [NoteVerifier] { signers.map(\.verifier) + formerKeys }

    /// The defaults of every variable but those of etcd.
    package init(etcd: EtcdConfiguration) {
        self.etcd = etcd
    }
}
