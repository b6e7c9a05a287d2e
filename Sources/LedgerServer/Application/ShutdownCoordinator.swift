import ServiceLifecycle

/// The first to stop: takes readiness away, lets nothing new in, and waits until every accepted submission is
/// answered. Only then do the ports close.
struct ShutdownCoordinator: Service {
    let sealer: Sealer
    let board: StatusBoard
    let signal: ShutdownSignal

    func run() async throws {
        try await gracefulShutdown()
        sealer.beginStopping()
        signal.raise()
        await sealer.waitUntilDrained()
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
