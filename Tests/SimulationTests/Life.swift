import LedgerCore
import LedgerReplica
import LedgerStore

/// One life of a replica's process, from its start to its end: the executor of all its tasks, its clock and its timers.
///
/// While it is paused, its jobs and all that reaches it wait. After its end nothing reaches it, its tasks are cancelled,
/// and nothing that they still do has any effect.
///
/// `@unchecked Sendable`: as its timeline.
final class Life: TaskExecutor, @unchecked Sendable {
    /// What the wall clock is worth.
    enum Wall {
        case trusted, untrusted, unsampled
    }

    let name: UInt64
    let time: Timeline
    /// When it began.
    let begin: Int64
    /// How far its monotonic clock is ahead of virtual time.
    private let ahead: Int64
    /// How far its wall clock is ahead of it, in milliseconds.
    var wallAhead: Int64 = 0
    var wall = Wall.trusted
    private var pausedAt: Int64?
    private var pauses: Int64 = 0
    private(set) var isOver = false
    /// Tasks that were started here and have not ended.
    private(set) var running = 0
    private var held: [Timeline.Work] = []
    private var tasks: [Task<Void, Never>] = []

    init(name: UInt64, in time: Timeline, ahead: Int64 = 0) {
        self.name = name
        self.time = time
        begin = time.now
        self.ahead = ahead
    }

    var isPaused: Bool { pausedAt != nil }

    /// How long it has run, without its pauses.
    var age: Int64 { (pausedAt ?? time.now) - pauses }

    // MARK: What happens in the process

    func enqueue(_ job: consuming ExecutorJob) {
        time.add(.job(UnownedJob(job)), of: self)
    }

    /// Lets something reach the process.
    func perform(_ call: @escaping () -> Void) {
        time.add(.call(call), of: self)
    }

    /// As `perform`, after a time.
    func perform(after delay: Int64, _ call: @escaping () -> Void) {
        time.schedule(after: delay) { [self] in perform(call) }
    }

    /// Starts a task of the process.
    func start(_ body: @escaping @Sendable () async -> Void) {
        running += 1
        tasks.append(
            Task(executorPreference: self) {
                await body()
                self.running -= 1
            })
    }

    func run(_ work: Timeline.Work) {
        if isPaused {
            held.append(work)
            return
        }
        switch work {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .call(let call): if !isOver { call() }
        }
    }

    func pause(for length: Int64) {
        pausedAt = time.now
        time.schedule(after: length) { [self] in resume() }
    }

    private func resume() {
        if let pausedAt { pauses += time.now - pausedAt }
        pausedAt = nil
        let work = held
        held = []
        for item in work { time.add(item, of: self) }
    }

    func end() {
        isOver = true
        resume()
        for task in tasks { task.cancel() }
    }

    // MARK: Waiting

    /// Suspends a task of the process until `begin` has something called with a value; nil where it is cancelled before.
    func wait<Value: Sendable>(
        _ begin: (@escaping @Sendable (Value) -> Void) -> Void
    ) async -> Value? {
        precondition(time.isOnItsThread, "something runs outside virtual time")
        let waiter = Waiter<Value>()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiter.continuation = continuation
                if waiter.isOver || isOver { waiter.end(nil) } else { begin { waiter.end($0) } }
            }
        } onCancel: {
            waiter.end(nil)
        }
    }

    /// `@unchecked Sendable`: as the timeline.
    private final class Waiter<Value: Sendable>: @unchecked Sendable {
        var continuation: CheckedContinuation<Value?, Never>?
        private(set) var isOver = false

        func end(_ value: Value?) {
            isOver = true
            continuation.take()?.resume(returning: value)
        }
    }
}

extension Life: ReplicaClock {
    var now: MonotonicInstant {
        precondition(time.isOnItsThread, "something runs outside virtual time")
        return MonotonicInstant(nanoseconds: time.now + ahead)
    }

    var moment: Moment {
        let reading: WallClockReading =
            switch wall {
            case .trusted:
                .trusted(milliseconds: 1_700_000_000_000 + time.now / 1_000_000 + wallAhead)
            case .untrusted: .untrusted
            case .unsampled: .unsampled
            }
        return Moment(now: now, wall: reading)
    }

    func sleep(for length: Nanoseconds) async throws {
        let hasSlept: Bool? = await wait { done in
            perform(after: max(0, length.count)) { done(true) }
        }
        if hasSlept == nil { throw CancellationError() }
    }

    func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
}

extension Life: ReplicaTimers {
    /// `@unchecked Sendable`: as the timeline.
    private final class Timer: ReplicaTimer, @unchecked Sendable {
        private var ring: (@Sendable () -> Void)?

        init(_ ring: @escaping @Sendable () -> Void) {
            self.ring = ring
        }

        func cancel() { ring = nil }

        func fire() { ring.take()?() }
    }

    func schedule(
        after length: Nanoseconds, _ ring: @escaping @Sendable () -> Void
    ) -> any ReplicaTimer {
        let timer = Timer(ring)
        perform(after: max(0, length.count)) { timer.fire() }
        return timer
    }
}
