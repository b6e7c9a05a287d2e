internal import EventLoopTasks
internal import GRPCCore
internal import LedgerAPI
internal import LedgerClient
internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2

/// The load of a plan over connections without a gRPC library: what a caller does costs less than what it measures.
final class LeanLoad: @unchecked Sendable {
    // Everything is touched on the reactor's event loop alone.

    private let run: BenchRun
    private let links: [LeanLink]
    private var tally = BenchTally()
    private var failure: String?
    private var capWaits = 0
    /// Callers, streams or events that have not come to their end, and the open loop itself.
    private var pending = 0
    private var isAbandoned = false
    private var whenDone: CheckedContinuation<Void, Never>?

    init(run: BenchRun, connections: [ServerAddress]) {
        self.run = run
        links = connections.map { LeanLink(to: $0, run.plan) }
    }

    /// What was measured; how often the open loop had to wait for the cap; the first failure that broke a stream.
    func perform() async -> Benchmark.Outcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                Reactor.loop.execute {
                    self.whenDone = continuation
                    self.connect(self.links[...])
                }
            }
        } onCancel: {
            Reactor.loop.execute { self.abandon() }
        }
        return (tally, run.plan.mode == .openLoop ? capWaits : nil, failure)
    }

    /// Makes the connections before the load begins.
    private func connect(_ rest: ArraySlice<LeanLink>) {
        guard let link = rest.first, !isAbandoned else { return begin() }
        link.connect { self.connect(rest.dropFirst()) }
    }

    private func begin() {
        pending = 1
        switch run.plan.mode {
        case .unary:
            for caller in 0..<run.plan.inFlight {
                pending += 1
                call(over: links[caller % links.count])
            }
        case .stream:
            for stream in 0..<run.plan.inFlight {
                pending += 1
                self.stream(over: links[stream % links.count])
            }
        case .openLoop:
            pending += 1
            OpenLoop(self, run).go()
        }
        flush()
        finished()
    }

    /// What is unanswered stays so.
    private func abandon() {
        isAbandoned = true
        for link in links { link.close() }
    }

    private func finished() {
        pending -= 1
        guard pending == 0 else { return }
        for link in links { link.close() }
        whenDone.take()?.resume()
    }

    private var mayGoOn: Bool { !isAbandoned && run.mayGoOn }

    private func flush() {
        for link in links { link.connection?.flush() }
    }

    private func later(_ action: @escaping () -> Void) {
        Reactor.loop.assumeIsolated().scheduleTask(in: TimeAmount(BenchConnection.lostPause)) {
            action()
            self.flush()
        }
    }

    private func record(_ outcome: BenchConnection.Sample.Outcome, since begin: UInt64) {
        guard run.isMeasured(beganAt: begin) else { return }
        tally.record(
            .init(
                microseconds: BenchClock.microseconds - begin,
                outcome: isAbandoned ? .unanswered : outcome),
            contractMs: run.plan.contractMs)
    }

    // MARK: Unary calls

    /// One caller: an event after another.
    private func call(over link: LeanLink) {
        guard mayGoOn else { return finished() }
        submit(over: link, since: BenchClock.microseconds) { isReachable in
            if isReachable { self.call(over: link) } else { self.later { self.call(over: link) } }
        }
    }

    private func submit(
        over link: LeanLink, since begin: UInt64, then: @escaping (_ isReachable: Bool) -> Void
    ) {
        LeanSubmission(run.nextID(), link.judge) { outcome in
            self.record(outcome, since: begin)
            if case .lost = outcome { then(false) } else { then(true) }
        }.begin(over: link, run)
    }

    // MARK: Streams

    /// One stream after another, for a stream that breaks has a successor.
    private func stream(over link: LeanLink) {
        guard mayGoOn else { return finished() }
        let stream = LeanStream(run, link.judge, record: record) { why, unanswered in
            self.failure = self.failure ?? why
            for begin in unanswered { self.record(.lost, since: begin) }
            self.later { self.stream(over: link) }
        }
        stream.begin(over: link)
    }

    // MARK: The open loop

    /// Events at a constant rate. Latencies count from when an event was due, not from when it was sent: a service that
    /// stalls would otherwise hold up the very events that show it.
    private final class OpenLoop {
        private let load: LeanLoad
        private let run: BenchRun
        private let start = BenchClock.microseconds
        private var index = 0
        private var unanswered = 0
        private var isWaiting = false

        init(_ load: LeanLoad, _ run: BenchRun) {
            self.load = load
            self.run = run
        }

        /// Submits what is due, and comes again when the next event is.
        func go() {
            let now = BenchClock.microseconds
            while load.mayGoOn {
                let due = start + UInt64(Double(index) * 1e6 / run.plan.rate)
                if due > now { return goOn(at: due) }
                guard unanswered < run.plan.openLoopCap else {
                    load.capWaits += 1
                    isWaiting = true
                    return load.flush()
                }
                submit(due)
            }
            load.flush()
            load.finished()
        }

        private func goOn(at due: UInt64) {
            load.flush()
            let now = BenchClock.microseconds
            let next = min(due, run.measureUntil)
            let pause = TimeAmount.microseconds(Int64(next - min(next, now)))
            Reactor.loop.assumeIsolated().scheduleTask(in: pause) { self.go() }
        }

        private func submit(_ due: UInt64) {
            let link = load.links[index % load.links.count]
            index += 1
            unanswered += 1
            load.pending += 1
            load.submit(over: link, since: due) { _ in
                self.unanswered -= 1
                if self.isWaiting {
                    self.isWaiting = false
                    Reactor.loop.assumeIsolated().execute { self.go() }
                }
                self.load.finished()
            }
        }
    }
}

/// A connection to one server, and another one after it has broken.
final class LeanLink {
    let judge: BenchJudge
    /// The headers of every call of `SubmitEvent`, and of `SubmitEvents`.
    let unaryHead: HPACKHeaders
    let streamHead: HPACKHeaders
    private let address: ServerAddress
    private(set) var connection: LeanConnection?
    private var isConnecting = false
    private var isClosed = false

    init(to address: ServerAddress, _ plan: BenchPlan) {
        typealias Method = Ledger_ImmutableLedger.Method
        self.address = address
        judge = BenchJudge(service: address.description, checksHashes: plan.checksHashes)
        unaryHead = LeanConnection.head(
            of: Method.SubmitEvent.descriptor, at: address, deadlineMs: plan.deadlineMs)
        streamHead = LeanConnection.head(of: Method.SubmitEvents.descriptor, at: address)
    }

    /// The connection, where calls can be made; else one is made for those who ask later.
    var ready: LeanConnection? {
        if let connection, connection.isOpen { return connection }
        connect {}
        return nil
    }

    /// Connects, where that is not under way already; `then` is called however that ends.
    func connect(then: @escaping () -> Void) {
        guard !isConnecting, !isClosed else { return }
        isConnecting = true
        LeanConnection.connect(to: address).whenComplete { result in
            // Its handlers hear of the connection after this, and say what has to be said first on it.
            Reactor.loop.assumeIsolated().execute {
                self.isConnecting = false
                // One that was told to end still answers the calls made before.
                if case .success(let new) = result { self.connection = new }
                if self.isClosed { self.close() }
                then()
            }
        }
    }

    func close() {
        isClosed = true
        connection?.close()
    }
}

/// One event that is submitted alone.
private final class LeanSubmission: LeanCaller {
    private let id: [UInt8]
    private let judge: BenchJudge
    private let done: (BenchConnection.Sample.Outcome) -> Void
    private var answer: ByteBuffer?

    init(
        _ id: [UInt8], _ judge: BenchJudge,
        done: @escaping (BenchConnection.Sample.Outcome) -> Void
    ) {
        self.id = id
        self.judge = judge
        self.done = done
    }

    func begin(over link: LeanLink, _ run: BenchRun) {
        guard let connection = link.ready else { return done(.lost) }
        let stream = connection.begin(link.unaryHead, self)
        var message = ByteBuffer()
        run.write(id, to: &message)
        connection.send(message, isLast: true, over: stream)
    }

    func received(_ message: ByteBuffer) { answer = message }

    func turnEnded() {}

    func ended(_ error: RPCError?) {
        if let error { return done(judge.outcome(error)) }
        done(answer.map { judge.sealed($0, as: id) } ?? .other("corrupt"))
    }
}

/// One stream, with a window of unanswered events.
private final class LeanStream: LeanCaller {
    private let run: BenchRun
    private let judge: BenchJudge
    private let record: (BenchConnection.Sample.Outcome, UInt64) -> Void
    private let done: (_ failure: String?, _ unanswered: [UInt64]) -> Void
    private var connection: LeanConnection?
    private var stream = HTTP2StreamID.rootStream
    private var isHalfClosed = false
    /// The unanswered events in the order of their answers, and when they were sent.
    private var unanswered = CircularBuffer<(id: [UInt8], at: UInt64)>()

    init(
        _ run: BenchRun, _ judge: BenchJudge,
        record: @escaping (BenchConnection.Sample.Outcome, UInt64) -> Void,
        done: @escaping (_ failure: String?, _ unanswered: [UInt64]) -> Void
    ) {
        self.run = run
        self.judge = judge
        self.record = record
        self.done = done
    }

    func begin(over link: LeanLink) {
        guard let connection = link.ready else { return done("no connection", []) }
        self.connection = connection
        stream = connection.begin(link.streamHead, self)
        turnEnded()
    }

    func received(_ message: ByteBuffer) {
        guard let (id, begin) = unanswered.popFirst() else { return }
        record(judge.result(message, for: id), begin)
    }

    /// Fills the window again, or ends the sending.
    func turnEnded() {
        guard !isHalfClosed else { return }
        var messages = ByteBuffer()
        let now = BenchClock.microseconds
        while unanswered.count < run.plan.window, run.mayGoOn {
            let id = run.nextID()
            run.write(id, to: &messages)
            unanswered.append((id, now))
        }
        isHalfClosed = !run.mayGoOn
        guard isHalfClosed || messages.readableBytes > 0 else { return }
        connection?.send(messages, isLast: isHalfClosed, over: stream)
    }

    func ended(_ error: RPCError?) {
        done(error.map { LedgerError.summary($0) }, unanswered.map(\.at))
    }
}
