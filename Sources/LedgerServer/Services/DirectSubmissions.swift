import EventLoopTasks
package import GRPCEdge
import LedgerCore
import LedgerReplica
import NIOCore

/// Serves `SubmitEvent` and `SubmitEvents` on the call's own channel, without the gRPC library: no task for a call, and one
/// hop to the event loop for all answers of a batch. What it does and says is what `SubmissionHandler` does and says.
///
/// Calls come on the event loop.
package final class DirectSubmissions: Sendable {
    let intake: SubmissionIntake
    let replica: Replica
    let counter: SubmissionCounter
    let settings: SealingSettings
    let shutdown: ShutdownSignal
    let streamWindow: StreamAnswers.Window
    let limits: EventLimits
    let edge: EdgeLimits
    let answers = DirectAnswers { Reactor.loop.execute($0) }

    /// - Parameters:
    ///   - limits: what an event may have, for what is said of one that has more.
    ///   - edge: what the port takes, likewise.
    init(
        intake: SubmissionIntake, replica: Replica, counter: SubmissionCounter,
        settings: SealingSettings, shutdown: ShutdownSignal,
        streamWindow: StreamAnswers.Window, limits: EventLimits, edge: EdgeLimits
    ) {
        self.intake = intake
        self.replica = replica
        self.counter = counter
        self.settings = settings
        self.shutdown = shutdown
        self.streamWindow = streamWindow
        self.limits = limits
        self.edge = edge
    }

    package func serve(_ stream: DirectStream, from caller: CallerIdentity) {
        let origin = SubmissionOrigin(caller: caller, stream.context)
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
        } catch {
            counter.count(error, from: origin)
            return stream.end(RefusalStatus(error))
        }
        DirectStreamSubmissions(stream, of: self, from: origin).begin()
    }

    package func serve(_ call: DirectCall, from caller: CallerIdentity) {
        let receivedAt = replica.instant(ofArrival: call.arrival)
        let origin = SubmissionOrigin(caller: caller, call.context)
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
        } catch {
            return refuse(call, error, from: origin)
        }
        let message = SubmittedMessage(call.message, limits, edge)
        if let verdict = intake.validateAtOnce(message, from: caller) {
            return submit(verdict, call, receivedAt, from: origin)
        }
        // A task of its own: what it does takes longer than a task costs, and waits for nothing.
        Task {
            let verdict = self.intake.validateWhole(message, from: caller)
            self.answers.give { self.submit(verdict, call, receivedAt, from: origin) }
        }
    }

    private func submit(
        _ verdict: SubmissionIntake.Verdict, _ call: DirectCall, _ receivedAt: MonotonicInstant,
        from origin: SubmissionOrigin
    ) {
        let event: CertifiedEvent
        do throws(LedgerRPCError) {
            event = try verdict.event
        } catch {
            return refuse(call, error, eventID: verdict.eventID, from: origin)
        }
        var deadline: MonotonicInstant?
        if case .valid(let timeout) = GRPCTimeout.parse(call.timeout?.utf8) {
            deadline = receivedAt + Nanoseconds(timeout)
        }
        let token = replica.makeToken()
        replica.submit(
            Submission(
                alone: event, token, receivedAt, deadline, settings,
                trace: origin.trace(event, age: replica.now - receivedAt)
            ) { outcome in
                self.answers.give { self.answer(call, outcome, event, from: origin) }
            })
        call.whenCancelled { [replica] in replica.cancel([token]) }
    }

    private func answer(
        _ call: DirectCall, _ outcome: LedgerCore.SubmissionOutcome, _ event: CertifiedEvent,
        from origin: SubmissionOrigin
    ) {
        counter.count(outcome, of: event, from: origin)
        if case .sealed(let seal, let latency) = outcome {
            var bytes = ByteBuffer()
            SealedEventBytes(event, seal, latency: latency).writeAlone(to: &bytes)
            return call.answer(bytes)
        }
        do throws(LedgerRPCError) {
            _ = try SubmissionReport(outcome, of: event).unaryAnswer()
            preconditionFailure("only a sealed event is answered with one")
        } catch {
            call.fail(RefusalStatus(error))
        }
    }

    private func refuse(
        _ call: DirectCall, _ error: LedgerRPCError, eventID: String = "",
        from origin: SubmissionOrigin
    ) {
        counter.count(error, eventID: eventID, from: origin)
        call.fail(RefusalStatus(error))
    }
}
