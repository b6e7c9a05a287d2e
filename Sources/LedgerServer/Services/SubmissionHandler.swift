import EventLoopTasks
package import GRPCCore
import GRPCEdge
package import LedgerAPI
import LedgerCore
import Synchronization

/// Serves `SubmitEvent` and `SubmitEvents`.
package struct SubmissionHandler: Sendable {
    private let intake: SubmissionIntake
    private let sealer: Sealer
    private let replica: Replica
    private let counter: SubmissionCounter
    private let watch: CallWatch
    private let streamWindow: StreamAnswers.Window

    init(
        intake: SubmissionIntake, sealer: Sealer, replica: Replica, counter: SubmissionCounter,
        watch: CallWatch, streamWindow: StreamAnswers.Window
    ) {
        self.intake = intake
        self.sealer = sealer
        self.replica = replica
        self.counter = counter
        self.watch = watch
        self.streamWindow = streamWindow
    }

    // MARK: SubmitEvent

    package func submitEvent(
        _ request: ServerRequest<SubmittedMessage>, _ context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        let receivedAt = arrival(of: request.metadata)
        let caller = CallerIdentity(context)
        let event: CertifiedEvent
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
            event = try await intake.validate(request.message, from: caller).event
        } catch {
            counter.count(error)
            throw error
        }
        let deadline = request.metadata.timeout.map { receivedAt + Nanoseconds($0) }
        let outcome = await outcome(of: event, receivedAt: receivedAt, deadline: deadline)
        counter.count(outcome)
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
        _ request: StreamingServerRequest<SubmittedMessage>, _ context: ServerContext
    ) async throws -> StreamingServerResponse<Ledger_SubmitResult> {
        let caller = CallerIdentity(context)
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
        } catch {
            counter.count(error)
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
        _ messages: RPCAsyncSequence<SubmittedMessage, any Error>,
        from caller: CallerIdentity, timeout: Nanoseconds?, _ answers: StreamAnswers,
        to writer: RPCWriter<Ledger_SubmitResult>
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await read(messages, from: caller, timeout: timeout, into: answers)
            }
            do {
                while let ready = try await answers.next() {
                    try await writer.write(contentsOf: ready.reports.map(\.streamAnswer))
                    answers.written(ready.byteCount)
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
        _ messages: RPCAsyncSequence<SubmittedMessage, any Error>,
        from caller: CallerIdentity, timeout: Nanoseconds?, into answers: StreamAnswers
    ) async {
        let stream = sealer.makeStreamID()
        do {
            try await watch.run(until: nil, endsWithReplica: true) {
                var messages = messages.makeAsyncIterator()
                var waitingSince = sealer.clock.now
                while let message = try await messages.next() {
                    try await take(
                        message, of: stream, from: caller, receivedAt: arrival(since: waitingSince),
                        timeout: timeout, into: answers)
                    guard await answers.waitForRoom() else { return }
                    waitingSince = sealer.clock.now
                }
            }
            answers.endReading(nil)
        } catch {
            answers.endReading(error)
        }
    }

    /// Submits one event of a stream.
    ///
    /// - Throws: what ends the stream, where the message is none.
    private func take(
        _ message: SubmittedMessage, of stream: StreamID, from caller: CallerIdentity,
        receivedAt: MonotonicInstant, timeout: Nanoseconds?, into answers: StreamAnswers
    ) async throws(LedgerRPCError) {
        let place = answers.reserve(byteCount: message.byteCount)
        switch await intake.validate(message, from: caller) {
        case .event(let event):
            let ticket = replica.submit(
                event, stream: stream, receivedAt: receivedAt,
                callerDeadline: timeout.map { receivedAt + $0 }
            ) { outcome in
                counter.count(outcome)
                answers.fill(place, .outcome(outcome, event))
            }
            answers.note(ticket.token, at: place)
            if !ticket.mayReadFurther { await replica.waitForRoom(stream) }
        case .refused(let error, let eventID):
            counter.count(error)
            answers.fill(place, .invalid(error, eventID: eventID))
        case .broken(let error):
            counter.count(error)
            answers.withdraw(place)
            throw error
        }
    }

    // MARK: When it was there

    /// When the request of a call was there, from when its contract counts.
    private func arrival(of metadata: Metadata) -> MonotonicInstant {
        guard
            let text = metadata[stringValues: RequestHead.arrivalName].first(where: { _ in true }),
            let arrival = UInt64(text)
        else { return sealer.clock.now }
        return sealer.clock.instant(ofArrival: arrival)
    }

    /// When the next message of a stream was there: not before it was waited for, for a stream is left unread on purpose.
    private func arrival(since waitingSince: MonotonicInstant) -> MonotonicInstant {
        max(waitingSince, sealer.clock.instant(ofArrival: Reactor.arrival))
    }
}

extension SystemClock {
    /// A moment of `LoopClock` by this clock.
    func instant(ofArrival arrival: UInt64) -> MonotonicInstant {
        now - Nanoseconds(LoopClock.age(of: arrival))
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
