import HTTPTransport
import LedgerAPI
import LedgerCore
import LedgerTransparency
import Logging
import ServiceLifecycle
import SwiftProtobuf
import Synchronization

/// Those who know of this ledger what the store cannot change: witnesses, and a checkpoint that is kept elsewhere.
final class Outside: Sendable {
    private let witnesses: WitnessGroup?
    private let external: ExternalCheckpoint?
    private let tree: TreeSlot

    /// Where witnesses' proofs come from: there is no tree before there is a replica, which asks for what is known
    /// outside before it seals. Weak, for the tree knows the replica, and the replica whom it asks.
    private final class TreeSlot: Sendable {
        private struct Contents: Sendable {
            weak var tree: TreeReader?
        }

        private let contents = Mutex(Contents())

        var tree: TreeReader? {
            get { contents.withLock { $0.tree } }
            set { contents.withLock { $0.tree = newValue } }
        }
    }

    /// Connects to nobody yet.
    ///
    /// - Throws: `TransportUnusable`, and `ConfigurationError` for the file of authorities.
    init(
        configuration: ServiceConfiguration, metrics: LedgerMetrics, reloader: PEMReloader,
        logger: Logger
    ) throws {
        let tree = TreeSlot()
        self.tree = tree
        guard !configuration.witnesses.isEmpty || configuration.externalCheckpoint != nil else {
            (witnesses, external) = (nil, nil)
            return
        }
        var settings = TransportSettings(threadName: "outside")
        settings.protocols = .httpAndHTTPS
        settings.credentials = try reloader.credentials(
            authorities: configuration.witnessCAPath, of: .witnessCACert, logger: logger)
        settings.maxConnections = 2 * WitnessLimits.maxCount
        settings.maxIdleConnections = WitnessLimits.maxCount
        settings.maxAnswerBytes = SignedNote.maxByteCount
        let transport = try CurlTransport(settings)
        let names = configuration.witnesses.map(\.name)
        witnesses =
            names.isEmpty
            ? nil
            : WitnessGroup(
                configuration.witnesses, signers: configuration.signers,
                tree: { tree.tree }, transport: transport, logger: logger,
                onResult: metrics.witnessCounter(names))
        external = configuration.externalCheckpoint.map {
            ExternalCheckpoint(
                $0, keys: configuration.ledgerKeys,
                transport: transport, logger: logger)
        }
    }

    /// From now on, and as long as somebody else keeps it, witnesses are sent proofs out of this tree.
    func prove(with tree: TreeReader) {
        self.tree.tree = tree
    }

    /// All of them, as what has seen something of this ledger.
    var sources: [OutsideSources.Source] {
        var sources: [OutsideSources.Source] = []
        if let witnesses { sources.append(.init("witnesses") { await witnesses.records() }) }
        if let external {
            sources.append(.init("external checkpoint") { await external.records() })
        }
        return sources
    }

    /// Asks the witnesses; nil without any.
    var cosigning: Checkpointer.Cosigning? {
        guard let witnesses else { return nil }
        return { note, checkpoint in await witnesses.cosign(note, checkpoint) }
    }

    var services: [any Service] { witnesses.map { [$0] } ?? [] }

    /// How they are; sealing and reading need none of them.
    var dependencies: [Ledger_DependencyHealth] {
        (witnesses?.statuses ?? []).map(\.dependency)
            + (external.map { [$0.dependency] } ?? [])
    }
}

extension WitnessStatus {
    /// For the detailed view of health.
    fileprivate var dependency: Ledger_DependencyHealth {
        .with {
            $0.name = "witness/\(address.name)"
            $0.isCritical = false
            $0.config = .with {
                $0.hostname = address.location.origin.host
                $0.port = Int32(clamping: address.location.origin.port)
                $0.protocol = address.location.origin.scheme.rawValue
            }
            if let cosignedSize { $0.metadata = ["cosigned_size": "\(cosignedSize)"] }
            guard wasAsked else {
                $0.status = .healthy
                $0.message = "the witness has not been asked yet"
                return
            }
            $0.status = trouble == nil ? .healthy : .degraded
            $0.message = "the witness \(trouble?.sentence ?? "answers")"
            $0.error = trouble?.rawValue ?? ""
        }
    }
}

extension ExternalCheckpoint {
    /// For the detailed view of health.
    fileprivate var dependency: Ledger_DependencyHealth {
        .with {
            $0.name = "external-checkpoint"
            $0.isCritical = false
            $0.status = trouble == nil ? .healthy : .degraded
            $0.message =
                trouble == nil
                ? "the external checkpoint is read every minute"
                : "the external checkpoint cannot be used"
            $0.error = trouble?.rawValue ?? ""
        }
    }
}
