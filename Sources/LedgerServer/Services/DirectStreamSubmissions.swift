import EventLoopTasks
import GRPCEdge
import LedgerCore
import LedgerReplica
import NIOCore
import SwiftProtobuf

/// One stream of `SubmitEvents` on its call's own channel: what `SubmissionHandler` does and says, without a task, and with
/// one event of the replica's for what came together.
///
/// Everything runs on the event loop, but `settle`.
final class DirectStreamSubmissions: DirectStreamHandler, SubmissionCaller, @unchecked Sendable {
    // What changes is touched on the event loop alone.

    /// So many events are submitted at once: then it is asked again whether more may be read.
    private static let eventsAtOnce = 8

    private let call: DirectStream
    private let service: DirectSubmissions
    private let origin: SubmissionOrigin
    private let stream: StreamID
    private let timeout: Nanoseconds?
    private let deadline: ContinuousClock.Instant?
    private var answers: AnswerQueue
    /// Messages that were read, from `next` on.
    private var messages: [[UInt8]] = []
    private var next = 0
    /// Since when the next message is waited for.
    private var waitingSince: MonotonicInstant
    /// Whether a message is validated elsewhere, or the replica has no room.
    private var isBusy = false
    /// Whether the caller sends nothing more.
    private var isRequestOver = false
    private var isReadingOver = false
    /// Why reading ended before the stream did.
    private var readError: LedgerRPCError?
    private var hasEnded = false
    private var isGoingOn = false
    private var alarm: Scheduled<Void>?
    private var observer: ShutdownSignal.Observer?

    init(_ call: DirectStream, of service: DirectSubmissions, from origin: SubmissionOrigin) {
        self.call = call
        self.service = service
        self.origin = origin
        stream = service.replica.makeStreamID()
        if case .valid(let timeout) = GRPCTimeout.parse(call.timeout?.utf8) {
            self.timeout = Nanoseconds(timeout)
            deadline = ContinuousClock.now.advanced(by: timeout)
        } else {
            timeout = nil
            deadline = nil
        }
        answers = AnswerQueue(window: service.streamWindow)
        waitingSince = service.replica.now
    }

    deinit { answers.giveUp() }

    func begin() {
        call.accept(self)
        // A stop ends the reading alone: what was accepted is still answered.
        observer = service.shutdown.observe { [weak self] in
            self?.soon {
                $0.endReading(CallEnding.stopping.error)
                $0.goOn()
            }
        }
        alarm = deadline.flatMap { deadline in
            CallWatch.makeAlarm(at: deadline) { [weak self] in
                self?.soon { $0.giveUp(CallEnding.deadline.error) }
            }
        }
    }

    /// Has it done on the event loop after what is under way there.
    private func soon(_ action: @escaping @Sendable (DirectStreamSubmissions) -> Void) {
        service.answers.give { if !self.hasEnded { action(self) } }
    }

    // MARK: Reading

    func received(_ message: [UInt8]) {
        if !isReadingOver { messages.append(message) }
    }

    func turnEnded() { goOn() }

    func requestEnded() {
        isRequestOver = true
        goOn()
    }

    /// Takes what was read and writes what is answered, until both have to wait or the stream is over.
    private func goOn() {
        guard !hasEnded, !isGoingOn else { return }
        isGoingOn = true
        // What was left unread on purpose counts as there from now on.
        if !call.isReading { waitingSince = service.replica.now }
        let receivedAt = max(waitingSince, service.replica.instant(ofArrival: Reactor.arrival))
        repeat {
            while mayTake { takeSome(receivedAt) }
            if next == messages.count {
                messages.removeAll(keepingCapacity: true)
                next = 0
                if isRequestOver, !isBusy { endReading(nil) }
            }
            writeAnswers()
        } while mayTake
        isGoingOn = false
        guard !hasEnded else { return }
        if messages.isEmpty, !isBusy { waitingSince = service.replica.now }
        call.isReading = isReadingOver || (messages.isEmpty && !isBusy && !answers.isFull)
    }

    private var mayTake: Bool {
        !isBusy && !isReadingOver && next < messages.count && !answers.isFull
    }

    /// Submits some events together, or has one validated elsewhere.
    private func takeSome(_ receivedAt: MonotonicInstant) {
        var batch: [Submission] = []
        while batch.count < Self.eventsAtOnce, next < messages.count, !answers.isFull {
            let message = SubmittedMessage(messages[next], service.limits, service.edge)
            guard let verdict = service.intake.validateAtOnce(message, from: origin.caller) else {
                // After those before it.
                if batch.isEmpty { validateElsewhere(message, receivedAt) }
                break
            }
            messages[next].removeAll()
            next += 1
            guard let event = accepted(verdict, byteCount: message.byteCount) else {
                if isReadingOver { break }
                continue
            }
            let token = service.replica.makeToken()
            let place = answers.reserve(byteCount: message.byteCount, for: token)
            batch.append(submission(event, token, at: place, receivedAt))
        }
        submit(batch)
    }

    private func submit(_ batch: [Submission]) {
        guard !batch.isEmpty, !service.replica.submit(batch, of: stream), !isReadingOver else {
            return
        }
        isBusy = true
        service.replica.whenRoom(stream) { [weak self] in
            self?.soon {
                $0.isBusy = false
                $0.goOn()
            }
        }
    }

    /// What is large, or signed, takes longer than a task costs.
    private func validateElsewhere(_ message: SubmittedMessage, _ receivedAt: MonotonicInstant) {
        isBusy = true
        messages[next].removeAll()
        next += 1
        let place = answers.reserve(byteCount: message.byteCount)
        Task {
            let verdict = self.service.intake.validateWhole(message, from: self.origin.caller)
            self.soon { $0.validated(verdict, at: place, receivedAt) }
        }
    }

    private func validated(
        _ verdict: SubmissionIntake.Verdict, at place: Int, _ receivedAt: MonotonicInstant
    ) {
        isBusy = false
        switch verdict {
        case .event(let event):
            let token = service.replica.makeToken()
            answers.note(token, at: place)
            submit([submission(event, token, at: place, receivedAt)])
        case .refused(let error, let eventID):
            service.counter.count(error, eventID: eventID, from: origin)
            answers.fill(place, .invalid(error, eventID: eventID))
        case .broken(let error):
            service.counter.count(error, from: origin)
            answers.withdraw(place)
            endReading(error)
        }
        goOn()
    }

    /// The event; what is none is answered, or ends the reading.
    private func accepted(
        _ verdict: SubmissionIntake.Verdict, byteCount: Int
    ) -> CertifiedEvent? {
        switch verdict {
        case .event(let event): return event
        case .refused(let error, let eventID):
            service.counter.count(error, eventID: eventID, from: origin)
            answers.fill(
                answers.reserve(byteCount: byteCount), .invalid(error, eventID: eventID))
        case .broken(let error):
            service.counter.count(error, from: origin)
            endReading(error)
        }
        return nil
    }

    private func submission(
        _ event: CertifiedEvent, _ token: SubmissionToken, at place: Int,
        _ receivedAt: MonotonicInstant
    ) -> Submission {
        Submission(
            token: token, stream: stream, event: event, template: EntryTemplate(event),
            receivedAt: receivedAt, callerDeadline: timeout.map { receivedAt + $0 },
            settings: service.settings, caller: self, label: UInt64(place),
            trace: origin.trace(event, age: service.replica.now - receivedAt))
    }

    /// Takes nothing more; what was accepted is still answered.
    private func endReading(_ error: LedgerRPCError?) {
        guard !isReadingOver else { return }
        isReadingOver = true
        readError = error
        messages = []
        next = 0
    }

    // MARK: Answering

    /// From any thread.
    func settle(_ answers: [SubmissionAnswer]) {
        for answer in answers {
            service.counter.count(answer.outcome, of: answer.submission.event, from: origin)
        }
        soon { stream in
            if stream.answers.settle(answers) { stream.goOn() }
        }
    }

    func becameWritable() { goOn() }

    /// Writes the answers that are next in order, as far as the caller takes them.
    private func writeAnswers() {
        while call.isWritable, answers.isReady {
            let ready = answers.takeReady()
            var bytes = ByteBuffer()
            for answer in ready.answers { Self.write(answer, to: &bytes) }
            call.write(bytes)
            answers.written(ready.byteCount)
        }
        if isReadingOver, answers.isEmpty { end(readError) }
    }

    private static func write(_ answer: AnswerQueue.Answer, to bytes: inout ByteBuffer) {
        if case .outcome(.sealed(let seal, let latency), let event) = answer {
            SealedEventBytes(event, seal, latency: latency).writeResult(to: &bytes)
            return
        }
        let message: [UInt8]
        do {
            message = try answer.report.streamAnswer.serializedBytes()
        } catch {
            preconditionFailure("a message without required fields always has a serialized form")
        }
        SealedEventBytes.writePrefix(message.count, to: &bytes)
        bytes.writeBytes(message)
    }

    // MARK: Ending

    func portCloses() {
        if let deadline, ContinuousClock.now >= deadline {
            giveUp(CallEnding.deadline.error)
        } else if !service.shutdown.isRaised {
            giveUp(CallEnding.cancelled.error)
        }
        // What the stop has not ended already may go on until it is done.
    }

    func portEnds() { giveUp(CallEnding.stopping.error) }

    func cancelled() { giveUp(CallEnding.cancelled.error) }

    private func giveUp(_ error: LedgerRPCError) {
        guard !hasEnded else { return }
        // Nobody is told of them any more: what was not sent never will be (protocol.md 6).
        service.replica.cancel(answers.unanswered)
        end(error)
    }

    private func end(_ error: LedgerRPCError?) {
        guard !hasEnded else { return }
        hasEnded = true
        isReadingOver = true
        alarm?.cancel()
        if let observer { service.shutdown.forget(observer) }
        // What is in a transaction whose fate is open keeps this alive, and need not be counted for that.
        answers.giveUp()
        messages = []
        call.end(error.map { RefusalStatus($0) })
    }
}
