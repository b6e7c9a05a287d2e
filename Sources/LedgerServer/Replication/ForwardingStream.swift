import EventLoopTasks
import GRPCCore
import GRPCEdge
import LedgerAPI
import LedgerCore
import LedgerReplica
import NIOCore
import PrometheusExposition
import SwiftProtobuf

/// One replica that forwards here: its stream, and the caller of what it forwards.
///
/// Everything runs on the event loop, but `settle`, `sayFarewell` and `finish`.
final class ForwardingStream: DirectStreamHandler, SubmissionCaller, ForwardingPeer,
    @unchecked Sendable
{
    // What changes is touched on the event loop alone.

    private typealias Answer = (name: UInt64, outcome: ForwardOutcome)

    /// What goes back.
    private enum Reply {
        case challenge(Ledger_Internal_Challenge)
        case welcome
        case answers([Answer])
        case farewell
    }

    /// So long a caller may take to show who it is.
    private static let admissionLimit = TimeAmount.seconds(5)
    /// The streams of a peer are told from those of others, and from own ones, by these bits.
    private static let streamBits: UInt64 = 40
    /// After so many events of one message others have their turn.
    private static let eventsAtOnce = 256
    /// So many answers go into one message: about 50 kB.
    private static let answersAtOnce = 512
    /// Who leaves so many answers unread, about 6 MB, is not read any further. What it may have under way comes on top.
    private static let maxUnread = 1 << 16

    private let call: DirectStream
    private let service: ForwardingService
    private let number: UInt64
    private var admission: PeerAdmission
    /// Messages that were read, from `next` on.
    private var messages: [[UInt8]] = []
    private var next = 0
    /// Whether a message is looked at elsewhere, or in a later turn.
    private var isBusy = false
    private var isRequestOver = false
    private var isGoingOn = false
    private var hasEnded = false
    /// Whether the stream ends when everything is said.
    private var isFinishing = false
    private var replies: [Reply] = []
    private var unread = 0
    /// Those that are not answered yet, by the other replica's names.
    private var open: [UInt64: SubmissionToken] = [:]
    private var alarm: Scheduled<Void>?

    init(
        _ call: DirectStream, of service: ForwardingService, number: UInt64,
        _ admission: PeerAdmission
    ) {
        self.call = call
        self.service = service
        self.number = number
        self.admission = admission
    }

    func begin() {
        call.accept(self)
        alarm = Reactor.loop.assumeIsolated().scheduleTask(in: Self.admissionLimit) {
            self.refuse(
                RPCError(
                    code: .unauthenticated,
                    message: "the caller has not shown in time who it is"))
        }
    }

    /// Has it done on the event loop after what is under way there.
    private func soon(_ action: @escaping @Sendable (ForwardingStream) -> Void) {
        service.answers.give { if !self.hasEnded { action(self) } }
    }

    // MARK: Receiving

    func received(_ message: [UInt8]) {
        if !hasEnded, !isFinishing { messages.append(message) }
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
        while !isBusy, !hasEnded, next < messages.count {
            let message = messages[next]
            messages[next] = []
            next += 1
            take(message)
        }
        isGoingOn = false
        guard !hasEnded else { return }
        if next == messages.count {
            messages.removeAll(keepingCapacity: true)
            next = 0
            if isRequestOver, !isBusy { isFinishing = true }
        }
        write()
        call.isReading = hasEnded || (messages.isEmpty && !isBusy && unread < Self.maxUnread)
    }

    private func take(_ message: [UInt8]) {
        let isLarge = message.count > ForwardedInput.maxInlineBytes
        if isLarge, !admission.isComplete {
            return refuse(
                RPCError(
                    code: .unauthenticated,
                    message: "\(message.count) bytes before the greeting"))
        }
        if !isLarge {
            let isProven = admission.isComplete
            return take(
                Result { () throws(RPCError) in
                    try isProven ? ForwardedInput(message) : ForwardedInput(unproven: message)
                })
        }
        // A task of its own: what it does takes longer than a task costs, and waits for nothing.
        isBusy = true
        Task {
            let input = Result { () throws(RPCError) in try ForwardedInput(message) }
            self.soon {
                $0.isBusy = false
                $0.take(input)
                $0.goOn()
            }
        }
    }

    private func take(_ input: Result<ForwardedInput, RPCError>) {
        switch input {
        case .failure(let error): end(RefusalStatus(error))
        case .success(let input): take(input)
        }
    }

    private func take(_ input: ForwardedInput) {
        switch admission.received(input.content) {
        case .nothing: break
        case .answer(let challenge): put(.challenge(challenge))
        case .check(let greeting): check(greeting)
        case .take:
            receive(input.events[...], at: service.replica.now)
            service.metrics.forwardsReceived.increment(by: Int64(input.events.count))
        case .callOff(let recalled):
            service.replica.cancel(recalled.tokens.compactMap { open[$0] })
        case .refuse(let error): refuse(error)
        }
    }

    private func check(_ greeting: Ledger_Internal_Greeting) {
        isBusy = true
        Task {
            var refusal: RPCError?
            do {
                try await self.service.greeter.check(greeting)
            } catch let error as RPCError {
                refusal = error
            } catch {
                refusal = RPCError(
                    code: .unavailable, message: "the greeting could not be checked: \(error)")
            }
            let candidate = SealingCandidate(greeting, at: self.service.replica.now)
            self.soon { [refusal] in $0.checked(refusal, candidate) }
        }
    }

    private func checked(_ error: RPCError?, _ candidate: SealingCandidate?) {
        isBusy = false
        if let error { return end(RefusalStatus(error)) }
        alarm?.cancel()
        service.peers.admit(number, as: candidate)
        put(.welcome)
        goOn()
    }

    private func receive(
        _ events: ArraySlice<ForwardedSubmission>, at receivedAt: MonotonicInstant
    ) {
        let submissions = events.prefix(Self.eventsAtOnce).map { forwarded in
            Submission(
                token: service.replica.makeToken(), stream: stream(forwarded.stream),
                origin: .replica, event: forwarded.event, template: forwarded.template,
                receivedAt: receivedAt, commitBy: forwarded.commitBy,
                answerBy: forwarded.answerBy, caller: self, label: forwarded.token,
                trace: service.trace(forwarded))
        }
        for submission in submissions { open[submission.label] = submission.token }
        service.replica.receive(submissions)
        let rest = events.dropFirst(Self.eventsAtOnce)
        guard !rest.isEmpty else { return }
        isBusy = true
        soon {
            $0.isBusy = false
            $0.receive(rest, at: receivedAt)
            $0.goOn()
        }
    }

    private func stream(_ stream: UInt64) -> StreamID? {
        guard stream != 0 else { return nil }
        let low = stream & (1 << Self.streamBits - 1)
        return StreamID(rawValue: number << Self.streamBits | low)
    }

    // MARK: Replying

    /// From any thread.
    func settle(_ answers: [SubmissionAnswer]) {
        soon { stream in
            stream.put(
                .answers(
                    answers.map { answer in
                        let name = answer.submission.label
                        stream.open[name] = nil
                        return (name, ForwardOutcome(answer.outcome))
                    }))
            stream.goOn()
        }
    }

    /// From any thread.
    func sayFarewell() {
        soon {
            $0.put(.farewell)
            $0.write()
        }
    }

    /// From any thread.
    func finish() {
        soon {
            $0.isFinishing = true
            $0.write()
        }
    }

    private func put(_ reply: Reply) {
        replies.append(reply)
        if case .answers(let answers) = reply { unread += answers.count }
    }

    func becameWritable() { goOn() }

    /// Writes what is to be said, as far as the caller takes it.
    private func write() {
        if !replies.isEmpty, call.isWritable {
            let ready = replies
            replies = []
            unread = 0
            call.write(encoded(ready))
        }
        if isFinishing, replies.isEmpty { end(nil) }
    }

    private func encoded(_ replies: [Reply]) -> ByteBuffer {
        let now = service.replica.now
        var bytes = ByteBuffer()
        func add(_ content: Ledger_Internal_ForwardResponse.OneOf_Content) {
            Ledger_Internal_ForwardResponse.with {
                $0.clock = now.nanoseconds
                $0.content = content
            }.writeFramed(to: &bytes)
        }
        var answers: [Answer] = []
        func addAnswers() {
            var rest = answers[...]
            while !rest.isEmpty {
                ForwardBatches.write(rest.prefix(Self.answersAtOnce), clock: now, to: &bytes)
                rest = rest.dropFirst(Self.answersAtOnce)
            }
            answers = []
        }
        for reply in replies {
            if case .answers(let more) = reply {
                answers += more
                continue
            }
            addAnswers()
            switch reply {
            case .challenge(let challenge): add(.challenge(challenge))
            case .welcome: add(.welcome(.init()))
            case .farewell: add(.farewell(.init()))
            case .answers: break
            }
        }
        addAnswers()
        return bytes
    }

    // MARK: Ending

    /// What was accepted is answered by now, and the stream may go.
    func portCloses() { finish() }

    func portEnds() {
        end(RefusalStatus(RPCError(code: .unavailable, message: "this replica stops")))
    }

    func cancelled() { release() }

    private func refuse(_ error: RPCError) {
        if !hasEnded { end(service.refused(error)) }
    }

    private func end(_ status: RefusalStatus?) {
        guard !hasEnded else { return }
        release()
        call.end(status)
    }

    private func release() {
        guard !hasEnded else { return }
        hasEnded = true
        alarm?.cancel()
        service.peers.remove(number)
        // Who knows another secret leaves when it sees the challenge.
        if admission.isUnproven { _ = service.refused(PeerAdmission.unproven) }
        messages = []
        replies = []
        // Who forwarded them is gone, and has them sealed elsewhere if at all (protocol.md 6).
        service.replica.cancel(Array(open.values))
        open = [:]
    }
}
