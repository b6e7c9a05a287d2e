import EventLoopTasks
package import GRPCCore
import GRPCEdge
package import LedgerAPI
import LedgerCore
import LedgerReplica
import Synchronization

/// Serves `SubmitEvent` and `SubmitEvents`.
package struct SubmissionHandler: Sendable {
    private let intake: SubmissionIntake
    private let replica: Replica
    private let counter: SubmissionCounter
    private let settings: SealingSettings
    private let watch: CallWatch
    private let streamWindow: StreamAnswers.Window
    private let traces: Traces?

    init(
        intake: SubmissionIntake, replica: Replica, counter: SubmissionCounter,
        settings: SealingSettings, watch: CallWatch, streamWindow: StreamAnswers.Window,
        traces: Traces? = nil
    ) {
        self.intake = intake
        self.replica = replica
        self.counter = counter
        self.settings = settings
        self.watch = watch
        self.streamWindow = streamWindow
        self.traces = traces
    }

    // MARK: SubmitEvent

    package func submitEvent(
        _ request: ServerRequest<SubmittedMessage>, _ context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        let receivedAt = arrival(of: request.metadata)
        let caller = CallerIdentity(context)
        let origin = SubmissionOrigin(caller: caller, request.metadata, traces)
        let event: CertifiedEvent
        var eventID = ""
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
            let verdict = await intake.validate(request.message, from: caller)
            eventID = verdict.eventID
            event = try verdict.event
        } catch {
            counter.count(error, eventID: eventID, from: origin)
            throw error
        }
        let deadline = request.metadata.timeout.map { receivedAt + Nanoseconds($0) }
        let trace = origin.trace(event, age: replica.now - receivedAt)
        let outcome = await outcome(
            of: event, receivedAt: receivedAt, deadline: deadline, trace: trace)
        counter.count(outcome, of: event, from: origin)
        return try SubmissionReport(outcome, of: event).unaryAnswer()
    }

    private func outcome(
        of event: CertifiedEvent, receivedAt: MonotonicInstant, deadline: MonotonicInstant?,
        trace: SubmissionSpans?
    ) async -> LedgerCore.SubmissionOutcome {
        let token = replica.makeToken()
        let isGone = Atomic<Bool>(false)
        return await withRPCCancellationHandler {
            await withCheckedContinuation { continuation in
                replica.submit(
                    Submission(
                        alone: event, token, receivedAt, deadline, settings, trace: trace
                    ) {
                        continuation.resume(returning: $0)
                    })
                // Cancelled before it was submitted, it was not known yet.
                if isGone.load(ordering: .sequentiallyConsistent) { replica.cancel([token]) }
            }
        } onCancelRPC: {
            isGone.store(true, ordering: .sequentiallyConsistent)
            replica.cancel([token])
        }
    }

    // MARK: SubmitEvents

    package func submitEvents(
        _ request: StreamingServerRequest<SubmittedMessage>, _ context: ServerContext
    ) async throws -> StreamingServerResponse<Ledger_SubmitResult> {
        let origin = SubmissionOrigin(
            caller: CallerIdentity(context), request.metadata, traces)
        do throws(LedgerRPCError) {
            try intake.authorize(origin.caller)
        } catch {
            counter.count(error, from: origin)
            throw error
        }
        let answers = StreamAnswers(window: streamWindow) { [counter] in
            counter.count($0.outcome, of: $0.submission.event, from: origin)
        }
        let timeout = request.metadata.timeout.map { Nanoseconds($0) }
        let deadline = CallWatch.deadline(request.metadata)
        return StreamingServerResponse { writer in
            do {
                // A stop ends the reading alone: what was accepted is still answered.
                try await watch.run(until: deadline, endsWithReplica: false) {
                    try await answer(
                        request.messages, from: origin, timeout: timeout, answers, to: writer)
                }
            } catch {
                // Nobody is told of them any more: what was not sent never will be (protocol.md 6).
                replica.cancel(answers.unanswered)
                throw error
            }
            return [:]
        }
    }

    /// Reads the stream and writes its answers, until both are over.
    private func answer(
        _ messages: RPCAsyncSequence<SubmittedMessage, any Error>,
        from origin: SubmissionOrigin, timeout: Nanoseconds?, _ answers: StreamAnswers,
        to writer: RPCWriter<Ledger_SubmitResult>
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await read(messages, from: origin, timeout: timeout, into: answers)
            }
            do {
                while let ready = try await answers.next() {
                    try await writer.write(
                        contentsOf: ready.answers.map { $0.report.streamAnswer })
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
        from origin: SubmissionOrigin, timeout: Nanoseconds?, into answers: StreamAnswers
    ) async {
        let stream = replica.makeStreamID()
        do {
            try await watch.run(until: nil, endsWithReplica: true) {
                var messages = messages.makeAsyncIterator()
                var waitingSince = replica.now
                while let message = try await messages.next() {
                    try await take(
                        message, of: stream, from: origin, receivedAt: arrival(since: waitingSince),
                        timeout: timeout, into: answers)
                    guard await answers.waitForRoom() else { return }
                    waitingSince = replica.now
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
        _ message: SubmittedMessage, of stream: StreamID, from origin: SubmissionOrigin,
        receivedAt: MonotonicInstant, timeout: Nanoseconds?, into answers: StreamAnswers
    ) async throws(LedgerRPCError) {
        let place = answers.reserve(byteCount: message.byteCount)
        switch await intake.validate(message, from: origin.caller) {
        case .event(let event):
            let token = replica.makeToken()
            answers.note(token, at: place)
            let mayReadFurther = replica.submit(
                Submission(
                    token: token, stream: stream, event: event, template: EntryTemplate(event),
                    receivedAt: receivedAt, callerDeadline: timeout.map { receivedAt + $0 },
                    settings: settings, caller: answers, label: UInt64(place),
                    trace: origin.trace(event, age: replica.now - receivedAt)))
            if !mayReadFurther { await replica.waitForRoom(stream) }
        case .refused(let error, let eventID):
            counter.count(error, eventID: eventID, from: origin)
            answers.fill(place, .invalid(error, eventID: eventID))
        case .broken(let error):
            counter.count(error, from: origin)
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
        else { return replica.now }
        return replica.instant(ofArrival: arrival)
    }

    /// When the next message of a stream was there: not before it was waited for, for a stream is left unread on purpose.
    private func arrival(since waitingSince: MonotonicInstant) -> MonotonicInstant {
        max(waitingSince, replica.instant(ofArrival: Reactor.arrival))
    }
}

extension Replica {
    /// A moment of `LoopClock` by this replica's clock.
    func instant(ofArrival arrival: UInt64) -> MonotonicInstant {
        now - Nanoseconds(LoopClock.age(of: arrival))
    }
}

extension Submission {
    /// An event that is submitted alone.
    ///
    /// - Parameter answer: called once, from any thread.
    convenience init(
        alone event: CertifiedEvent, _ token: SubmissionToken, _ receivedAt: MonotonicInstant,
        _ deadline: MonotonicInstant?, _ settings: SealingSettings,
        trace: (any SubmissionTrace)? = nil,
        answer: @escaping @Sendable (LedgerCore.SubmissionOutcome) -> Void
    ) {
        self.init(
            token: token, stream: nil, event: event, template: EntryTemplate(event),
            receivedAt: receivedAt, callerDeadline: deadline, settings: settings,
            caller: UnaryCaller(answer), trace: trace)
    }
}

/// The caller of one submission.
private final class UnaryCaller: SubmissionCaller {
    private let answer: @Sendable (LedgerCore.SubmissionOutcome) -> Void

    /// - Parameter answer: called once, from any thread.
    init(_ answer: @escaping @Sendable (LedgerCore.SubmissionOutcome) -> Void) {
        self.answer = answer
    }

    func settle(_ answers: [SubmissionAnswer]) {
        for each in answers { answer(each.outcome) }
    }
}
