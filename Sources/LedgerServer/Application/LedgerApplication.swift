import EtcdGateway
import EtcdHealth
import Foundation
import GRPCCore
import GRPCEdge
import GRPCNIOTransportHTTP2
import GRPCReflection
import LedgerAPI
import LedgerCore
package import LedgerReplica
import LedgerStore
import LedgerTransparency
package import Logging
import ServiceLifecycle
import Synchronization
package import Tracing
package import UnixSignals

/// The whole service, wired from its configuration. Tests start the very application that `main` starts.
package struct LedgerApplication: Sendable {
    /// The version that `ledger_build_info` shows.
    package static let version = "0.1.0"
    /// Open calls get this long to end after a signal to stop; then they are cut.
    package static let shutdownLimit = Duration.seconds(25)

    package let board: StatusBoard
    package let metrics: LedgerMetrics
    package let admin: HTTPPort
    /// Where tiles are served to whoever asks; nil where that is not wanted.
    package let tiles: HTTPPort?
    package let grpc: GRPCPort
    package let replica: Replica
    /// Where other replicas forward to; nil where they don't.
    package let internalPort: GRPCPort?
    private let fence: FenceKeeper
    /// What is traced with; nil where nothing is.
    package let traces: Traces?
    private var services: [any Service]
    private let logger: Logger

    /// Wires the service; nothing is started or connected yet.
    ///
    /// - Parameter tracer: a backend of swift-distributed-tracing for the spans of calls, in place of the collector that
    ///   the configuration names and of what is bootstrapped in `InstrumentationSystem`.
    /// - Throws: `ConfigurationError` for what only shows when files are read, `EtcdError` for settings of the
    ///   client of etcd.
    package init(
        configuration: ServiceConfiguration, tracer: (any Tracer)? = nil, logger: Logger
    ) throws {
        self.logger = logger
        let reloader = PEMReloader()
        let configuration = try configuration.reloading(with: reloader, logger: logger)
        let traces = try Traces(
            tracer,
            settings: configuration.traces.settings(
                version: Self.version, instance: UUID().uuidString.lowercased(),
                credentials: tracer == nil
                    ? configuration.traceCredentials(with: reloader, logger: logger) : nil),
            logger: logger)
        self.traces = traces
        let address = try ListenAddress.resolve(configuration.bindAddress)
        let metrics = LedgerMetrics(version: Self.version)
        self.metrics = metrics
        let troubles = EtcdTroubles(
            hasUser: configuration.etcd.username != nil, logger: logger,
            count: { metrics.countEtcdRequest(operation: $0, result: $1, duration: $2) })
        let client = try EtcdClient(
            configuration: configuration.etcd, logger: logger, observer: troubles)
        let members = EtcdMembers(endpoints: client.endpoints)
        let clock = SystemClock(
            maxSkewMilliseconds: configuration.maxClockSkew.nanoseconds / 1_000_000,
            members: members)
        let storage = StorageWatch(
            quotaBytes: configuration.etcdQuotaBytes,
            reservePercent: configuration.storageReserve)
        metrics.observe(storage: { storage.report })
        metrics.observe(breakers: { client.breakers }, of: client.endpoints)
        let rounds = RoundSink(storage)
        let monitor = EtcdHealthMonitor(
            client: client, interval: configuration.etcdHealthCheckInterval,
            pingTimeout: configuration.etcdPingTimeout, logger: logger,
            onClockSample: { status, date, roundTrip in
                members.note(status.memberID, at: status.endpoint)
                clock.record(memberID: status.memberID, dateSeconds: date, roundTrip: roundTrip)
                // One that knows a leader works together with the others again.
                guard status.leader != 0 else { return }
                members.answered(status.endpoint, after: Nanoseconds(roundTrip))
            }, onRound: { rounds.take($0) }, longestPause: { storage.pause })
        board = StatusBoard()
        let archive = try Archive.make(
            configuration: configuration, metrics: metrics, logger: logger)
        let reading = try Reading(
            configuration: configuration, client: client, members: members,
            archived: archive?.reader, observer: troubles, metrics: metrics, logger: logger)
        let pool = { @Sendable in client.poolStatistics + reading.client.poolStatistics }
        metrics.observe(pool: pool)
        let (store, blocks) = (reading.store, reading.blocks)
        let shutdown = ShutdownSignal()
        let watch = CallWatch(shutdown: shutdown)
        let outside = try Outside(
            configuration: configuration, metrics: metrics, reloader: reloader, logger: logger)
        let past = Transparency.Past(
            configuration: configuration, store: store, outside: outside, archive: archive,
            logger: logger)
        let replication = try Replication(
            configuration: configuration, address: address,
            environment: .init(
                clock: clock, store: store, blocks: blocks, board: board, metrics: metrics,
                reloader: reloader, traces: traces, logger: logger,
                checkMembers: {
                    await monitor.check(timeout: .seconds(1))
                    return monitor.unsafeVersion == nil
                }, checkPast: past.check))
        let replica = replication.replica
        self.replica = replica
        rounds.set(replica) { archive?.trimmed ?? 0 }
        metrics.observe(replica)
        metrics.observe(board, of: replica, forwards: configuration.isForwarding)
        metrics.observe(
            maxConnections: (client.poolStatistics + reading.client.poolStatistics).maxConnections)
        metrics.observe(clock)
        metrics.observe(monitor)
        metrics.observe(CertificateExpiries(configuration))
        metrics.observe(traces: traces?.exporter)
        let transparency = Transparency(
            configuration: configuration, past: past, outside: outside, replica: replica,
            store: store, clock: clock, metrics: metrics, logger: logger)
        fence = transparency.fence
        archive?.begin(beside: replica, store: store, tree: transparency.tree, clock: clock)
        let feed = HeadFeed(replica: replica)
        let reader = EventReader(
            replica: replica, pages: reading.pages, blocks: blocks, feed: feed,
            memory: reading.memory)
        internalPort = replication.port
        let reporter = HealthReporter(
            board: board, monitor: monitor, pool: pool,
            further: {
                replica.dependencies + outside.dependencies + transparency.dependencies
                    + (archive?.dependencies ?? []) + reloader.dependencies
            },
            trouble: { troubles.current },
            audit: { transparency.audit?.report }, breakers: { client.breakers },
            storage: { storage.report })
        let tree = transparency.tree
        let checkpoints = CheckpointReader(
            store: store, tree: tree, trust: transparency.trust, reader: reader)
        // Each port has its own turns: whoever reaches the port for tiles takes nothing from the admin port.
        let makeTilesPages = {
            TilesPages(
                tree: tree, checkpoints: checkpoints, reader: reader,
                servesEntries: configuration.servesEntries)
        }
        let adminPages = AdminPages(
            reporter: reporter, registry: metrics.registry, further: makeTilesPages().page)
        admin = HTTPPort(
            name: "the admin port", setting: .adminPort, bindAddress: address,
            port: configuration.adminPort, logger: logger,
            pages: { await adminPages.get($0, accept: $1) })
        tiles = configuration.tilesPort.map { port in
            .tiles(
                makeTilesPages(), bindAddress: address, port: port, registry: metrics.registry,
                logger: logger)
        }
        let answerBudget = AnswerBudget(limit: configuration.maxAnswerBytes)
        metrics.observe(answerBudget)
        let intake = Self.intake(configuration, replica)
        let limits = EventLimits(maxPayloadBytes: configuration.maxPayloadBytes)
        let audit = try configuration.auditLog.map { try AuditLog($0, logger: logger) }
        metrics.observe(auditLog: audit)
        let counter = SubmissionCounter(
            metrics: metrics, commitDeadline: configuration.sealing.commitDeadline, audit: audit,
            logger: logger)
        let calls = CallLog(logger: logger)
        let streamWindow = StreamAnswers.Window(
            events: configuration.maxStreamEvents, bytes: configuration.maxStreamBytes,
            total: answerBudget)
        let ledger = ImmutableLedgerService(
            submissions: SubmissionHandler(
                intake: intake, replica: replica, counter: counter,
                settings: configuration.sealing, watch: watch, streamWindow: streamWindow,
                traces: traces),
            reads: ReadHandler(
                reader: reader,
                verifier: EventVerifier(
                    store: store.asStored, trust: transparency.trust, metrics: metrics,
                    logger: logger,
                    known: { replica.knownObservation?.head }),
                board: board),
            proofs: ProofHandler(
                reader: reader, tree: tree, checkpoints: checkpoints,
                hasSigningKey: !configuration.signers.isEmpty),
            limits: limits, edge: configuration.edge)
        let direct = DirectSubmissions(
            intake: intake, replica: replica, counter: counter,
            settings: configuration.sealing, shutdown: shutdown, streamWindow: streamWindow,
            limits: limits, edge: configuration.edge)
        let certificate = try configuration.tls.map {
            try PortCertificate($0, logger: logger)
        }
        if let certificate { reloader.add(certificate) }
        metrics.observe(reloader)
        grpc = GRPCPort(
            name: "the gRPC port", setting: .port, bindAddress: address,
            port: configuration.port, security: try certificate?.security() ?? .plaintext,
            limits: configuration.portLimits,
            services: [
                ledger, HealthService(reporter: reporter), GRPCHealthService(board: board),
                try Self.reflection(),
            ],
            methods: ImmutableLedgerService.shapes.merging(Self.reflectionShapes) { one, _ in one },
            direct: configuration.servesDirectly ? ImmutableLedgerService.direct(direct) : nil,
            keepsContext: audit != nil || logger.logLevel <= .debug || traces != nil,
            callBegan: traces?.callBegan,
            callEnded: {
                metrics.calls.ended($0)
                calls.ended($0)
            },
            interceptors: [
                CallInterceptor(watch),
                ErrorInfoInterceptor(submitting: Set(ImmutableLedgerService.shapes.keys)),
                AccessInterceptor(readers: AccessList(configuration.allowedReaders)),
            ], logger: logger)
        metrics.observe(grpc.statistics, ofPort: "public")
        if let internalPort { metrics.observe(internalPort.statistics, ofPort: "internal") }
        metrics.calls.expect(grpc.paths + (internalPort?.paths ?? []))
        // Stopped from the last to the first.
        services = (traces?.services ?? []) + (audit.map { [$0] } ?? [])
        services += [
            EtcdConnection {
                await reading.client.shutdown()
                await client.shutdown()
            }, monitor, replica, feed, admin,
        ]
        services += transparency.services + (archive?.services ?? [])
        services += [reloader]
        services += internalPort.map { [$0] } ?? []
        services += tiles.map { [$0] } ?? []
        services += [
            grpc,
            ShutdownCoordinator(
                replica: replica, peers: replication.peers, startedAt: replication.own.startedAt,
                board: board, signal: shutdown),
        ]
    }

    /// Why the service has ended.
    package enum Ending: Sendable {
        /// It was asked to.
        case stopped
        /// An operator has decided about a fence: nothing that was known of the ledger counts any more, and a new
        /// application is to be made.
        case decided
    }

    /// Runs until a signal to stop, an operator's decision about a fence, or an error that the service cannot live with.
    @discardableResult
    package func run(stopSignals: [UnixSignal] = [.sigterm, .sigint]) async throws -> Ending {
        var configuration = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) },
            gracefulShutdownSignals: stopSignals, logger: logger)
        configuration.services.append(
            .init(service: fence, successTerminationBehavior: .gracefullyShutdownGroup))
        configuration.maximumGracefulShutdownDuration = Self.shutdownLimit
        try await ServiceGroup(configuration: configuration).run()
        return fence.isDecided ? .decided : .stopped
    }

    // MARK: Parts

    private static func intake(
        _ configuration: ServiceConfiguration, _ replica: Replica
    ) -> SubmissionIntake {
        let keys = configuration.vepsPublicKeys
        let limiter = RateLimiter(
            all: configuration.rateLimit, each: configuration.rateLimitPerSubmitter)
        return SubmissionIntake(
            limits: EventLimits(maxPayloadBytes: configuration.maxPayloadBytes),
            submitters: AccessList(configuration.allowedSubmitters),
            verifier: keys.isEmpty ? nil : VEPSVerifier(keys: keys),
            admission: limiter.map {
                RateAdmission(
                    $0, now: { replica.now }, mayStillSeal: { replica.mayStillSeal($0) })
            })
    }

    private static var reflectionShapes: [MethodDescriptor: CallShape] {
        let shape = CallShape(isStreaming: true, maxMessageBytes: 4_096)
        return Dictionary(uniqueKeysWithValues: ReflectionService.methods.map { ($0, shape) })
    }

    private static func reflection() throws -> ReflectionService {
        ReflectionService(
            index: try DescriptorIndex(base64: LedgerDescriptors.fileDescriptorSetBase64))
    }
}

extension ServiceConfiguration {
    /// The bounds of the public port.
    var portLimits: GRPCPort.Limits {
        GRPCPort.Limits(
            edge: edge, maxIdle: connectionMaxIdle)
    }

    /// The part of the configuration that the sealing loop lives by.
    var sealing: SealingSettings {
        SealingSettings(
            commitDeadline: Nanoseconds(commitDeadline),
            resolveDeadline: Nanoseconds(resolveDeadline), maxBatchEvents: maxBatchEvents,
            maxQueuedEvents: maxQueuedEvents, maxQueuedBytes: maxQueuedBytes,
            maxLookUps: maxLookUps)
    }
}

/// Hands what etcd's members have said to the replica, which is made after whoever asks them.
private final class RoundSink: Sendable {
    private let later = Mutex<(replica: Replica, trimmed: @Sendable () -> UInt64)?>(nil)
    private let storage: StorageWatch

    init(_ storage: StorageWatch) {
        self.storage = storage
    }

    /// - Parameter trimmed: how many events have left etcd.
    func set(_ replica: Replica, trimmed: @escaping @Sendable () -> UInt64) {
        later.withLock { $0 = (replica, trimmed) }
    }

    func take(_ round: EtcdRound) {
        let later = later.withLock { $0 }
        storage.take(
            round.statuses, sealed: later?.replica.knownObservation?.head.sequence.rawValue,
            trimmed: later?.trimmed() ?? 0, at: round.began)
        later?.replica.membersChecked(
            isFull: round.hasNoSpace, refusedRelease: round.refusedRelease,
            roomBytes: round.statuses.isEmpty ? nil : storage.roomBytes,
            age: Nanoseconds(round.began.duration(to: .now)))
    }
}
