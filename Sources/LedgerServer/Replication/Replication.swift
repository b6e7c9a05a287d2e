import EventLoopTasks
import Foundation
import GRPCEdge
import GRPCNIOTransportHTTP2
import LedgerAPI
import LedgerCore
import LedgerReplica
import LedgerStore
import Logging
import NIOSSL
import Synchronization

/// Wires the replica, and what makes it one among several: the links to others, the internal port and its service.
struct Replication {
    /// A batch of forwarded events, and room for what stands around each.
    private static let maxMessageBytes = 4 << 20
    /// Replicas that start together on one busy machine answer one another slowly, and none is dead for that.
    private static let firstCaution = 8.0
    /// A replica makes one call over a connection; what others make is not worth memory.
    private static let maxCalls = 4

    /// What is there before the replica is.
    struct Surroundings {
        var clock: SystemClock
        var store: LedgerStore
        var blocks: BlockReader
        var board: StatusBoard
        var metrics: LedgerMetrics
        var reloader: PEMReloader
        /// Nil where nothing is traced.
        var traces: Traces?
        var logger: Logger
        var checkMembers: @Sendable () async -> Bool
        var checkPast: ReplicaEnvironment.PastCheck
    }

    let replica: Replica
    let peers: ForwardingPeers
    let own: OwnHint
    /// Nil where replicas do not forward.
    let port: GRPCPort?

    init(
        configuration: ServiceConfiguration, address: String, environment: Surroundings
    ) throws {
        let (store, metrics, logger) = (environment.store, environment.metrics, environment.logger)
        let id = UUID().uuidString.lowercased()
        let peers = ForwardingPeers(metrics: metrics)
        self.peers = peers
        let bound = BoundPort()
        let own = OwnHint(startedAt: environment.clock.now)
        self.own = own
        let certificate =
            try configuration.isForwarding
            ? configuration.internalTLS.map { try PortCertificate($0, logger: logger) } : nil
        if let certificate { environment.reloader.add(certificate) }
        let links = ForwardLinks(
            settings: ForwardLink.Settings(
                tls: certificate?.replicaContext,
                peerName: configuration.internalTLS == nil ? nil : configuration.internalTLSName,
                secret: configuration.internalToken.map { SharedSecret(token: $0) },
                maxMessageBytes: Self.maxMessageBytes),
            prefix: store.keys.prefix, clock: environment.clock, own: own)
        let host = configuration.advertiseAddress
        let joining: @Sendable () async throws -> SealerHint? = {
            guard let port = try await bound.port() else { return nil }
            let hint = SealerHint(address: HostPort(host: host, port: port).text, id: id)
            own.set(hint)
            return hint
        }
        let replica = Replica(
            settings: ReplicaSettings(
                identity: nil, firstCaution: Self.firstCaution, sealing: configuration.sealing),
            environment: ReplicaEnvironment(
                clock: environment.clock, timers: ReactorTimers(), store: store,
                blocks: environment.blocks, links: links,
                observer: ReplicaMonitor(
                    board: environment.board, metrics: metrics, peers: peers, logger: logger),
                logger: logger, random: { .random(in: .min ... .max) },
                executors: .init(brief: Reactor.executor, long: Reactor.pool),
                checkMembers: environment.checkMembers, checkPast: environment.checkPast),
            joining: configuration.isForwarding ? joining : nil)
        self.replica = replica
        guard configuration.isForwarding else {
            port = nil
            return
        }
        let service = ForwardingService(
            replica: replica, peers: peers,
            greeter: Greeter(
                id: id, prefix: store.keys.prefix, replica: replica, blocks: environment.blocks),
            access: InternalAccess(
                token: configuration.internalToken,
                peerNames: configuration.internalTLS.map { _ in [configuration.internalTLSName] }),
            metrics: metrics, traces: environment.traces, logger: logger)
        let port = GRPCPort(
            name: "the internal port", setting: .internalPort, bindAddress: address,
            port: configuration.internalPort,
            security: try certificate?.security() ?? .plaintext,
            limits: Self.limits(configuration),
            methods: [
                Ledger_Internal_Forwarding.Method.Forward.descriptor: CallShape(
                    isStreaming: true, maxMessageBytes: Self.maxMessageBytes)
            ], headers: [InternalAccess.tokenKey], direct: service.direct,
            callEnded: { metrics.calls.ended($0) }, logger: logger)
        bound.set(port)
        self.port = port
    }

    /// As the public port's, but that replicas keep their streams: who forwards is not sent away for its age.
    private static func limits(_ configuration: ServiceConfiguration) -> GRPCPort.Limits {
        var limits = configuration.portLimits
        limits.edge.maxAge = nil
        limits.edge.maxConcurrentCalls = maxCalls
        return limits
    }
}

/// The port that others reach, which is known only once it listens, after the replica was made.
private final class BoundPort: Sendable {
    private let source = Mutex<GRPCPort?>(nil)

    func set(_ port: GRPCPort) {
        source.withLock { $0 = port }
    }

    func port() async throws -> Int? {
        try await source.withLock { $0 }?.boundPort()
    }
}
