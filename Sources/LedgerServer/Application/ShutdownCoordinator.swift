import LedgerCore
import LedgerReplica
import ServiceLifecycle

/// The first to stop: takes readiness away, lets nothing new in, and waits until every accepted submission is
/// answered. Only then do the ports close.
struct ShutdownCoordinator: Service {
    let replica: Replica
    let peers: ForwardingPeers
    let startedAt: MonotonicInstant
    let board: StatusBoard
    let signal: ShutdownSignal

    /// Where there is no other replica, nobody takes over.
    private static let handOverPatience = Nanoseconds.milliseconds(300)

    func run() async throws {
        try await gracefulShutdown()
        // While this replica still serves, another one takes over sealing.
        await replica.handOver(
            to: peers.successor(ofSealerStartedAt: startedAt), within: Self.handOverPatience)
        replica.beginStopping()
        signal.raise()
        await replica.waitUntilDrained()
        peers.finish()
        board.finish()
    }
}

/// Keeps the client of etcd alive until everybody who uses it has stopped.
struct EtcdConnection: Service {
    let shutDown: @Sendable () async -> Void

    func run() async throws {
        try? await gracefulShutdown()
        await shutDown()
    }
}
