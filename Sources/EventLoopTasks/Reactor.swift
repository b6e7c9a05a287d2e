package import NIOCore
package import NIOPosix

/// The thread on which calls are served, and made under load.
///
/// What has to be done for one event is little, and a hop to another thread costs more than most of it. So all that an
/// event passes through on its way in and out runs on one event loop: the connections of callers and of other replicas,
/// and the tasks that serve them. Whatever keeps a processor busy for longer (a batch to be sealed, a read, a
/// verification) belongs to the pool, so that it holds up no event.
package enum Reactor {
    /// Lives as long as the process.
    package static let group = MultiThreadedEventLoopGroup(
        numberOfThreads: 1, metricsDelegate: clock)
    /// Since when the loop has not looked.
    package static let clock = LoopClock()
    package static let loop = group.next()
    /// The earliest moment at which what is read now may have been there, in nanoseconds on the clock of `NIODeadline`:
    /// this very moment, where it is not asked on the loop.
    package static var arrival: UInt64 {
        loop.inEventLoop ? clock.arrival : NIODeadline.now().uptimeNanoseconds
    }
    /// Runs tasks on the event loop.
    package static let executor: any TaskExecutor = EventLoopExecutor(loop)
    /// Runs tasks that may keep a processor busy on the pool.
    package static let pool: any TaskExecutor = globalConcurrentExecutor

    /// Runs a task, and its child tasks, on the event loop.
    package static func run<Result, Failure: Error>(
        _ body: @concurrent () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        try await withTaskExecutorPreference(executor, operation: body)
    }

    /// Runs a task that may keep a processor busy on the pool, from wherever it is called.
    package static func runOnPool<Result, Failure: Error>(
        _ body: @concurrent () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        try await withTaskExecutorPreference(pool, operation: body)
    }
}

private final class EventLoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) {
        self.loop = loop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
