import EventLoopTasks
package import GRPCCore
import GRPCEdge
import NIOCore
import TaskCoordination

/// Runs the work of a call until it is done or the call ends: by its caller, its deadline, or the replica's stop.
///
/// The gRPC library cancels no task of a handler; it only tells that a call was cancelled. Of the deadline it is not told
/// (`RequestHead`): it would take it only where `grpc-timeout` has less than eight digits, while grpc-go writes 50 ms as
/// `50000000n`. So both are watched here, for every call in the same way.
package struct CallWatch: Sendable {
    /// No call is waited for that long; beyond it, no alarm is set.
    private static let longestTimeout = Duration.seconds(365 * 86_400)
    /// The library's own alarm for the same deadline may ring by so much earlier than the one here.
    private static let alarmTolerance = Duration.milliseconds(2)

    private let shutdown: ShutdownSignal

    /// - Parameter shutdown: raised when the replica stops.
    package init(shutdown: ShutdownSignal) {
        self.shutdown = shutdown
    }

    /// When the caller stops waiting; nil where it said nothing of that.
    package static func deadline(_ metadata: Metadata) -> ContinuousClock.Instant? {
        metadata.timeout.map { ContinuousClock.now.advanced(by: $0) }
    }

    /// Runs `body` in a child task. Whatever ends the call cancels that task, which is then awaited.
    ///
    /// - Parameters:
    ///   - deadline: when the caller stops waiting.
    ///   - endsWithReplica: whether the body has to end when the replica stops. What is done soon anyway need not.
    /// - Returns: what the body returned, if it did so before the call ended.
    /// - Throws: the body's error, or that of the `CallEnding` that came first.
    package func run<Value: Sendable>(
        until deadline: ContinuousClock.Instant?, endsWithReplica: Bool,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let first = Settlement<Outcome<Value>>()
        let alarm = deadline.flatMap { Self.makeAlarm(at: $0) { first.settle(.ended(.deadline)) } }
        let observer =
            endsWithReplica ? shutdown.observe { first.settle(.ended(.stopping)) } : nil
        defer {
            alarm?.cancel()
            if let observer { shutdown.forget(observer) }
        }
        return try await withRPCCancellationHandler {
            try await Self.first(first, body)
        } onCancelRPC: {
            cancelled(deadline) { first.settle(.ended($0)) }
        }
    }

    private enum Outcome<Value: Sendable>: Sendable {
        case done(Result<Value, any Error>)
        case ended(CallEnding)
    }

    private static func first<Value: Sendable>(
        _ first: Settlement<Outcome<Value>>, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let outcome = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    first.settle(.done(.success(try await body())))
                } catch {
                    first.settle(.done(.failure(error)))
                }
            }
            let outcome = await first.value
            if case .ended = outcome { group.cancelAll() }
            await group.waitForAll()
            return outcome
        }
        switch outcome {
        case .done(.failure(is CancellationError)) where Task.isCancelled:
            // Nobody but the service group cancels the task of a call, where a stop takes too long.
            throw CallEnding.stopping.error
        case .done(let result): return try result.get()
        case .ended(let ending): throw ending.error
        }
    }

    /// The library cancels a call for its caller, for its deadline, and where the port closes.
    private func cancelled(
        _ deadline: ContinuousClock.Instant?, _ end: (CallEnding) -> Void
    ) {
        if let deadline, ContinuousClock.now >= deadline.advanced(by: .zero - Self.alarmTolerance) {
            end(.deadline)
        } else if !shutdown.isRaised {
            end(.cancelled)
        }
        // What the stop has not ended already may go on until it is done.
    }

    /// Calls `ring` when the deadline has passed, at once where it has; nil where nothing is left to cancel.
    static func makeAlarm(
        at deadline: ContinuousClock.Instant, _ ring: @escaping @Sendable () -> Void
    ) -> Scheduled<Void>? {
        let remaining = ContinuousClock.now.duration(to: deadline)
        guard remaining > .zero else {
            ring()
            return nil
        }
        guard remaining < longestTimeout else { return nil }
        let (seconds, attoseconds) = remaining.components
        let delay = TimeAmount.nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        return Reactor.loop.scheduleTask(in: delay, ring)
    }
}

extension Metadata {
    /// How long the caller waits: `grpc-timeout`, which the port hands on under a name of its own.
    package var timeout: Duration? {
        let handedOn = Array(self[stringValues: RequestHead.timeoutName])
        let values = handedOn.isEmpty ? Array(self[stringValues: GRPCTimeout.headerName]) : handedOn
        guard case .valid(let timeout) = GRPCTimeout.parse(values: values) else { return nil }
        return timeout
    }
}
