package import GRPCCore
import GRPCEdge
package import LedgerAPI
package import LedgerCore
import Synchronization

/// Serves `SubmitEvent` and `SubmitEvents`.
package struct SubmissionHandler: Sendable {
    private let intake: SubmissionIntake
    private let sealer: Sealer
    private let replica: Replica
    private let metrics: LedgerMetrics
    private let settings: SealingSettings
    private let watch: CallWatch
    /// The most events of one stream that are accepted and not yet answered to its caller.
    private let streamWindow: Int

    package init(
        intake: SubmissionIntake, sealer: Sealer, replica: Replica, metrics: LedgerMetrics,
        settings: SealingSettings, watch: CallWatch, streamWindow: Int
    ) {
        self.intake = intake
        self.sealer = sealer
        self.replica = replica
        self.metrics = metrics
        self.settings = settings
        self.watch = watch
        self.streamWindow = streamWindow
    }

    // MARK: SubmitEvent

    package func submitEvent(
        _ request: ServerRequest<Ledger_Internal_Submission>, _ context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        let receivedAt = sealer.clock.now
        let caller = CallerIdentity(context)
        let event: CertifiedEvent
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
            event = try await intake.validate(request.message, from: caller)
        } catch {
            count(error)
            throw error
        }
        let deadline = request.metadata.timeout.map { receivedAt + Nanoseconds($0) }
        let outcome = await outcome(of: event, receivedAt: receivedAt, deadline: deadline)
        count(outcome)
        return try SubmissionReport(outcome, of: event).unaryAnswer()
    }

    private func outcome(
        of event: CertifiedEvent, receivedAt: MonotonicInstant, deadline: MonotonicInstant?
    ) async -> LedgerCore.SubmissionOutcome {
        let submitted = SubmittedToken()
        return await withRPCCancellationHandler {
            await withCheckedContinuation { continuation in
                let ticket = replica.submit(
                    event, receivedAt: receivedAt, callerDeadline: deadline
                ) { continuation.resume(returning: $0) }
                if submitted.isGone(set: ticket.token) { replica.cancel(ticket.token) }
            }
        } onCancelRPC: {
            if let token = submitted.cancel() { replica.cancel(token) }
        }
    }

    // MARK: SubmitEvents

    package func submitEvents(
        _ request: StreamingServerRequest<Ledger_Internal_Submission>, _ context: ServerContext
    ) async throws -> StreamingServerResponse<Ledger_SubmitResult> {
        let caller = CallerIdentity(context)
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
        } catch {
            count(error)
            throw error
        }
        let answers = StreamAnswers(window: streamWindow)
        let timeout = request.metadata.timeout.map { Nanoseconds($0) }
        let deadline = CallWatch.deadline(request.metadata)
        return StreamingServerResponse { writer in
            do {
                // A stop ends the reading alone: what was accepted is still answered.
                try await watch.run(until: deadline, endsWithReplica: false) {
                    try await answer(
                        request.messages, from: caller, timeout: timeout, answers, to: writer)
                }
            } catch {
                // Nobody is told of them any more: what was not sent never will be (PROTOCOL.md 6).
                for token in answers.unanswered { replica.cancel(token) }
                throw error
            }
            return [:]
        }
    }

    /// Reads the stream and writes its answers, until both are over.
    private func answer(
        _ messages: RPCAsyncSequence<Ledger_Internal_Submission, any Error>,
        from caller: CallerIdentity, timeout: Nanoseconds?, _ answers: StreamAnswers,
        to writer: RPCWriter<Ledger_SubmitResult>
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await read(messages, from: caller, timeout: timeout, into: answers)
            }
            do {
                while let ready = try await answers.next() {
                    try await writer.write(contentsOf: ready.map(\.streamAnswer))
                }
            } catch {
                answers.giveUp()
                group.cancelAll()
                throw error
            }
        }
        if let error = answers.readError { throw error }
    }

    /// Takes the stream's events until it ends, breaks, or the replica stops.
    private func read(
        _ messages: RPCAsyncSequence<Ledger_Internal_Submission, any Error>,
        from caller: CallerIdentity, timeout: Nanoseconds?, into answers: StreamAnswers
    ) async {
        let stream = sealer.makeStreamID()
        do {
            try await watch.run(until: nil, endsWithReplica: true) {
                for try await message in messages {
                    await take(message, of: stream, from: caller, timeout: timeout, into: answers)
                    guard await answers.waitForRoom() else { return }
                }
            }
            answers.endReading(nil)
        } catch {
            answers.endReading(error)
        }
    }

    private func take(
        _ message: Ledger_Internal_Submission, of stream: StreamID, from caller: CallerIdentity,
        timeout: Nanoseconds?, into answers: StreamAnswers
    ) async {
        let receivedAt = sealer.clock.now
        let place = answers.reserve()
        do throws(LedgerRPCError) {
            let event = try await intake.validate(message, from: caller)
            let ticket = replica.submit(
                event, stream: stream, receivedAt: receivedAt,
                callerDeadline: timeout.map { receivedAt + $0 }
            ) { outcome in
                count(outcome)
                answers.fill(place, .outcome(outcome, event))
            }
            answers.note(ticket.token, at: place)
            if !ticket.mayReadFurther { await replica.waitForRoom(stream) }
        } catch {
            count(error)
            answers.fill(place, .invalid(error, eventID: message.displayedID))
        }
    }

    // MARK: Counting

    private func count(_ outcome: LedgerCore.SubmissionOutcome) {
        switch outcome {
        case .sealed(_, let latency):
            metrics.countSubmission(.sealed)
            metrics.commitSeconds.observe(latency.seconds)
            if latency > settings.commitDeadline { metrics.contractViolations.increment() }
        case .duplicate: metrics.countSubmission(.duplicate)
        case .conflicting: metrics.countSubmission(.conflicting)
        case .notSealed(.overloaded), .notSealed(.storageFull):
            metrics.countSubmission(.overloaded)
        case .notSealed: metrics.countSubmission(.notSealed)
        case .unknown: metrics.countSubmission(.unknown)
        }
    }

    private func count(_ error: LedgerRPCError) {
        metrics.countSubmission(error.reason == .invalidEvent ? .invalid : .denied)
    }
}

/// The token of a submission, for a cancellation that can come before it is known.
private final class SubmittedToken: Sendable {
    private struct State {
        var token: SubmissionToken?
        var isCancelled = false
    }

    private let state = Mutex(State())

    /// Whether the caller was gone before the token was known.
    func isGone(set token: SubmissionToken) -> Bool {
        state.withLock { state in
            state.token = token
            return state.isCancelled
        }
    }

    /// The caller is gone; the token, if there is one yet.
    func cancel() -> SubmissionToken? {
        state.withLock { state in
            state.isCancelled = true
            return state.token
        }
    }
}
