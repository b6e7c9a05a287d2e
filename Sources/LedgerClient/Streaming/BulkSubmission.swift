internal import GRPCCore
internal import GRPCProtobuf
internal import LedgerAPI
internal import Synchronization
internal import TaskCoordination

/// Submits a source of events over streams, and delivers their results in order.
///
/// Three kinds of tasks work together. The *source* takes a permit of the window for each event and
/// puts it into the outbox. The *streamer* keeps a stream open, sends what is in the outbox, and
/// matches the answers, which come in the order of sending. What no answer settles goes to the
/// *retriers*, who submit it alone until it is settled. The consumer gives the permit back when it
/// takes the result, so that nothing here grows beyond the window.
final class BulkSubmission: Sendable {
    /// An event under way.
    private struct Pending: Sendable {
        let index: Int
        let event: CertifiedEvent
        var attempts: SubmissionAttempts
        /// When it was admitted, and later when it was sent.
        var startedAt: ContinuousClock.Instant
    }

    private struct State {
        var order = ResultOrder<SubmissionResult>()
        /// Sent on the open stream and not answered, in the order of sending.
        var sent: [Pending] = []
        /// How many answers came on all streams.
        var answers = 0
        var admitted = 0
        var completed = 0
        var sourceEnded = false
        var sourceError: (any Error)?
    }

    private static let retriers = 16

    private let client: LedgerClient
    private let resolvingUnknown: Bool
    private let source: @Sendable (BulkSubmission) async throws -> Void
    private let window: Gate
    private let outbox = Mailbox<Pending>()
    private let retries = Mailbox<(Pending, Duration)>()
    private let results = Mailbox<SubmissionResult>()
    private let state = Mutex(State())

    init(
        client: LedgerClient, resolvingUnknown: Bool,
        source: @escaping @Sendable (BulkSubmission) async throws -> Void
    ) {
        self.client = client
        self.resolvingUnknown = resolvingUnknown
        self.source = source
        window = Gate(permits: client.configuration.streamWindow)
    }

    /// Works until every event of the source has its result, or the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.runSource() }
            group.addTask { await self.runStreams() }
            for _ in 0..<Self.retriers {
                group.addTask { await self.runRetrier() }
            }
        }
        results.close()
    }

    /// The next result in order; nil behind the last one.
    func nextResult() async throws -> SubmissionResult? {
        if let result = await results.next() {
            window.release()
            return result
        }
        try Task.checkCancellation()
        if let error = state.withLock(\.sourceError) { throw error }
        return nil
    }

    /// Takes in an event as soon as the window has room; false where the task is cancelled.
    func admit(_ event: CertifiedEvent, index: Int) async -> Bool {
        guard await window.acquire() == 1 else { return false }
        state.withLock { $0.admitted += 1 }
        let attempts = SubmissionAttempts(
            policy: client.configuration.retryPolicy, hasUnknownAttempt: resolvingUnknown)
        outbox.put(Pending(index: index, event: event, attempts: attempts, startedAt: .now))
        return true
    }

    // MARK: Source

    private func runSource() async {
        var failure: (any Error)?
        do {
            try await source(self)
        } catch {
            failure = error
        }
        let isDone = state.withLock { state in
            state.sourceEnded = true
            state.sourceError = failure
            return state.completed == state.admitted
        }
        outbox.close()
        if isDone { finish() }
    }

    // MARK: Streams

    private func runStreams() async {
        var disconnectedSince: ContinuousClock.Instant?
        var failures = 0
        var carried: Pending?
        while true {
            let next: Pending?
            if let carried { next = carried } else { next = await outbox.next() }
            guard let next else { return }
            carried = nil
            switch await runStream(next) {
            case .ended(let gaveAnswers):
                disconnectedSince = nil
                failures = gaveAnswers ? 0 : failures + 1
                if failures > 0 { await pause(afterFailures: failures) }
            case .neverConnected(let error):
                // The events wait in the outbox; their time runs from when the connection failed,
                // or all but the first few of them would wait one after another.
                let since = disconnectedSince ?? .now
                disconnectedSince = since
                carried = await retryLater(next, error, since: max(since, next.startedAt))
            }
        }
    }

    /// How a stream ended.
    private enum StreamEnd {
        /// It was open.
        case ended(gaveAnswers: Bool)
        /// There was no connection, and nothing was sent.
        case neverConnected(LedgerError)
    }

    /// Waits before an event that could not be sent is tried again; nil where it failed for good.
    private func retryLater(
        _ pending: Pending, _ error: LedgerError, since start: ContinuousClock.Instant
    ) async -> Pending? {
        var pending = pending
        let action = pending.attempts.attemptEnded(
            .failure(error), elapsed: start.duration(to: .now), random: .random(in: 0..<1))
        switch action {
        case .retry(let delay):
            try? await Task.sleep(for: delay)
            return Task.isCancelled ? nil : pending
        case .fail(let error):
            complete(pending, .failure(error), attempts: pending.attempts.count)
            return nil
        case .succeed:
            return nil
        }
    }

    /// Spares a service that accepts streams and ends them at once.
    private func pause(afterFailures failures: Int) async {
        let policy = RetryPolicy(maximumAttempts: .max, overallTime: .seconds(86_400))
        let delay = policy.delay(
            afterAttempts: failures, elapsed: .zero, retryAfter: nil, random: .random(in: 0..<1))
        try? await Task.sleep(for: delay ?? .zero)
    }

    /// Keeps a stream until it ends; what was sent and not answered then goes to the retriers.
    private func runStream(_ first: Pending) async -> StreamEnd {
        let serializer = TrackingSerializer()
        let answersBefore = state.withLock(\.answers)
        let failure = await withTaskGroup(of: (any Error)?.self) { group in
            group.addTask { await self.exchange(first, serializer) }
            group.addTask { await self.watchForStall() }
            let failure = await group.next() ?? nil
            group.cancelAll()
            return failure
        }
        let error = LedgerError.submission(
            failure ?? RPCError(code: .unavailable, message: "the stream ended early"),
            wasSent: serializer.wasUsed, service: client.service)
        let (unanswered, answers) = state.withLock { state in
            defer { state.sent = [] }
            return (state.sent, state.answers)
        }
        if !serializer.wasUsed, unanswered.count == 1, error.kind == .unavailable {
            return .neverConnected(error)
        }
        for pending in unanswered { settle(pending, .failure(error)) }
        return .ended(gaveAnswers: answers != answersBefore || unanswered.isEmpty)
    }

    /// One call of SubmitEvents: sends from the outbox, and takes the answers.
    private func exchange(_ first: Pending, _ serializer: TrackingSerializer) async -> (any Error)?
    {
        // Before the call: where no connection comes about, the producer never runs.
        enqueue(first)
        let request = StreamingClientRequest<Ledger_CertifiedEvent> { writer in
            try await writer.write(Ledger_CertifiedEvent(first.event))
            while let next = await self.outbox.next() {
                self.enqueue(next)
                try await writer.write(Ledger_CertifiedEvent(next.event))
            }
        }
        do {
            try await client.ledger.submitEvents(
                request: request,
                serializer: serializer,
                deserializer: ProtobufDeserializer<Ledger_SubmitResult>(),
                options: .defaults
            ) { response in
                for try await answer in response.messages { try self.take(answer) }
            }
            return nil
        } catch {
            return error
        }
    }

    /// Notes that an event is handed to the stream, so that its answer, or the lack of it, finds it.
    private func enqueue(_ pending: Pending) {
        var pending = pending
        pending.startedAt = .now
        state.withLock { [pending] in $0.sent.append(pending) }
    }

    /// Matches an answer with the event that was sent first of those unanswered.
    private func take(_ answer: Ledger_SubmitResult) throws {
        let pending = state.withLock { state in
            state.answers += 1
            return state.sent.isEmpty ? nil : state.sent.removeFirst()
        }
        guard let pending else {
            throw RPCError(code: .internalError, message: "an answer to nothing")
        }
        switch answer.result {
        case .sealed(let message):
            settle(pending, client.checker.checked(SealedEvent(message), answers: pending.event))
        case .rejection(let rejection):
            let error = LedgerError.submission(ErrorAnswer(rejection), service: client.service)
            settle(pending, .failure(client.checker.checked(error, answers: pending.event)))
        case nil:
            settle(
                pending,
                .failure(
                    LedgerError(
                        .outcomeUnknown, sealed: .unknown,
                        message: "\(client.service) gave an empty answer")))
        }
    }

    /// Returns when the answer that is due has been missing for too long.
    private func watchForStall() async -> (any Error)? {
        let limit = client.configuration.streamStallTimeout
        while !Task.isCancelled {
            let oldest = state.withLock { $0.sent.first?.startedAt }
            if let oldest, oldest.duration(to: .now) > limit {
                return RPCError(code: .deadlineExceeded, message: "no answer for \(limit)")
            }
            try? await Task.sleep(for: (limit / 10).callTimeout)
        }
        return nil
    }

    // MARK: Settling

    private func runRetrier() async {
        while let (pending, delay) = await retries.next() {
            try? await Task.sleep(for: delay)
            let (result, attempts) = await client.submit(
                pending.event, attempts: pending.attempts, since: pending.startedAt)
            complete(pending, result, attempts: attempts)
        }
    }

    /// Takes in how an event's attempt on the stream ended.
    private func settle(_ pending: Pending, _ result: Result<SealedEvent, LedgerError>) {
        var pending = pending
        let action = pending.attempts.attemptEnded(
            result, elapsed: pending.startedAt.duration(to: .now), random: .random(in: 0..<1))
        switch action {
        case .succeed(let event):
            complete(pending, .success(event), attempts: pending.attempts.count)
        case .fail(let error):
            complete(pending, .failure(error), attempts: pending.attempts.count)
        case .retry(let delay):
            retries.put((pending, delay))
        }
    }

    private func complete(
        _ pending: Pending, _ result: Result<SealedEvent, LedgerError>, attempts: Int
    ) {
        let result = SubmissionResult(
            index: pending.index, eventID: pending.event.eventID, result: result,
            attempts: attempts)
        let isDone = state.withLock { state in
            // Under the lock, or two tasks could deliver their results in the wrong order.
            for ready in state.order.insert(result, at: pending.index) { results.put(ready) }
            state.completed += 1
            return state.sourceEnded && state.completed == state.admitted
        }
        if isDone { finish() }
    }

    private func finish() {
        retries.close()
        results.close()
    }
}
