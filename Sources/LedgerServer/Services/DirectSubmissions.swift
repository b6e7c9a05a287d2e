import EventLoopTasks
package import GRPCEdge
import LedgerAPI
import LedgerCore
import NIOCore
import SwiftProtobuf

/// Serves `SubmitEvent` on the call's own channel, without the gRPC library: no task for a call, and one hop to the
/// event loop for all answers of a batch. What it does and says is what `SubmissionHandler` does and says.
///
/// Calls come on the event loop.
package final class DirectSubmissions: Sendable {
    private let intake: SubmissionIntake
    private let replica: Replica
    private let clock: SystemClock
    private let counter: SubmissionCounter
    private let limits: EventLimits
    private let edge: EdgeLimits
    private let answers = DirectAnswers { Reactor.loop.execute($0) }

    /// - Parameters:
    ///   - limits: what an event may have, for what is said of one that has more.
    ///   - edge: what the port takes, likewise.
    init(
        intake: SubmissionIntake, replica: Replica, clock: SystemClock, counter: SubmissionCounter,
        limits: EventLimits, edge: EdgeLimits
    ) {
        self.intake = intake
        self.replica = replica
        self.clock = clock
        self.counter = counter
        self.limits = limits
        self.edge = edge
    }

    package func serve(_ call: DirectCall, from caller: CallerIdentity) {
        let receivedAt = clock.instant(ofArrival: call.arrival)
        do throws(LedgerRPCError) {
            try intake.authorize(caller)
        } catch {
            return refuse(call, error)
        }
        let message = SubmittedMessage(call.message, limits, edge)
        if let verdict = intake.validateAtOnce(message, from: caller) {
            return submit(verdict, call, receivedAt)
        }
        // A task of its own: what it does takes longer than a task costs, and waits for nothing.
        Task {
            let verdict = self.intake.validateWhole(message, from: caller)
            self.answers.give { self.submit(verdict, call, receivedAt) }
        }
    }

    private func submit(
        _ verdict: SubmissionIntake.Verdict, _ call: DirectCall, _ receivedAt: MonotonicInstant
    ) {
        let event: CertifiedEvent
        do throws(LedgerRPCError) {
            event = try verdict.event
        } catch {
            return refuse(call, error)
        }
        var deadline: MonotonicInstant?
        if case .valid(let timeout) = GRPCTimeout.parse(call.timeout?.utf8) {
            deadline = receivedAt + Nanoseconds(timeout)
        }
        let ticket = replica.submit(event, receivedAt: receivedAt, callerDeadline: deadline) {
            outcome in
            self.answers.give { self.answer(call, outcome, event) }
        }
        call.whenCancelled { [replica] in replica.cancel(ticket.token) }
    }

    private func answer(
        _ call: DirectCall, _ outcome: LedgerCore.SubmissionOutcome, _ event: CertifiedEvent
    ) {
        counter.count(outcome)
        do throws(LedgerRPCError) {
            call.answer(Self.framed(try SubmissionReport(outcome, of: event).unaryAnswer()))
        } catch {
            call.fail(RefusalStatus(error))
        }
    }

    private func refuse(_ call: DirectCall, _ error: LedgerRPCError) {
        counter.count(error)
        call.fail(RefusalStatus(error))
    }

    /// The message with its prefix: not compressed, and its length.
    private static func framed(_ event: Ledger_SealedEvent) -> ByteBuffer {
        let bytes: [UInt8]
        do {
            bytes = try event.serializedBytes()
        } catch {
            preconditionFailure("a message without required fields always has a serialized form")
        }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(5 + bytes.count)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(bytes.count))
        buffer.writeBytes(bytes)
        return buffer
    }
}
