package import HTTPTransport
package import Logging
import ServiceLifecycle
import Synchronization

/// Posts spans to a collector as OTLP over HTTP in JSON.
///
/// Nothing waits for it: spans are queued within bounds, and what finds no room is dropped and counted. A collector that is
/// slow, away or confused costs spans and nothing else.
package final class OTLPExporter: Service, Sendable {
    /// Why spans were lost.
    package enum Loss: String, Sendable, Hashable, CaseIterable {
        /// As many waited as may.
        case queueFull = "queue_full"
        /// The collector does not take them.
        case refused
        /// The collector could not be reached, or was busy, for too long.
        case undelivered
        /// The service stopped before they could be sent.
        case stopped
    }

    /// What has become of spans since the start.
    package struct Statistics: Sendable, Hashable {
        package var queued = 0
        package var exported = 0
        package var lost: [Loss: Int] = [:]

        package init() {}
    }

    /// How long spans may still be sent when the service stops.
    package static let stopPatience = Duration.seconds(2)

    private struct State {
        var queue: SpanQueue
        var statistics = Statistics()
        /// The spans of the request that is tried.
        var current: [SpanRecord] = []
        var pace = ExportPace()
        var pausedUntil: ContinuousClock.Instant?
        var isStopping = false
    }

    private enum Turn {
        case send([SpanRecord])
        /// The ticks tell when there is something to do again.
        case rest
        case end
    }

    private let settings: OTLPSettings
    private let transport: CurlTransport
    private let logger: Logger
    private let state: Mutex<State>
    private let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    /// Connects to nobody yet.
    ///
    /// - Throws: where libcurl or its thread cannot be started.
    package init(_ settings: OTLPSettings, logger: Logger) throws(TransportUnusable) {
        var transportSettings = TransportSettings(threadName: "traces")
        transportSettings.protocols = .httpAndHTTPS
        transportSettings.credentials = settings.credentials
        transportSettings.maxConnections = 1
        transportSettings.maxIdleConnections = 1
        transportSettings.maxWaitingRequests = 1
        transportSettings.longestSilence = settings.timeout
        transportSettings.maxAnswerBytes = ExportAnswer.maxBytes
        transportSettings.keptFields = .only(["retry-after"])
        transport = try CurlTransport(transportSettings)
        self.settings = settings
        self.logger = logger
        state = Mutex(State(queue: SpanQueue(settings.bounds)))
        (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package var statistics: Statistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.queued = state.queue.count + state.current.count
            return statistics
        }
    }

    /// A tracer whose spans are exported here.
    package var tracer: OTLPTracer {
        OTLPTracer(sampler: settings.sampler) { [weak self] in self?.add($0) }
    }

    /// Queues a span, or drops it; from any thread, and never waits.
    package func add(_ span: SpanRecord) {
        let isDue = state.withLock { state in
            let had = state.queue.hasBatch
            guard state.queue.add(span) else {
                state.statistics.lost[.queueFull, default: 0] += 1
                return false
            }
            return !had && state.queue.hasBatch
        }
        if isDue { waker.yield() }
    }

    // MARK: Running

    /// Exports until the service stops, and then what is left, for a short time at most.
    package func run() async {
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.exportWhenDue() }
                group.addTask {
                    while (try? await Task.sleep(for: self.settings.delay)) != nil {
                        self.waker.yield()
                    }
                }
                group.addTask {
                    // What is still under way then is cut off, a request that nobody answers too.
                    guard (try? await gracefulShutdown()) != nil else { return }
                    try? await Task.sleep(for: Self.stopPatience)
                }
                await group.next()
                group.cancelAll()
            }
        } onGracefulShutdown: {
            self.state.withLock { $0.isStopping = true }
            self.waker.yield()
        }
        state.withLock { state in
            let left = state.current.count + state.queue.count
            state.statistics.lost[.stopped, default: 0] += left
            state.current = []
            state.queue = SpanQueue(settings.bounds)
        }
        await transport.shutDown()
    }

    private func exportWhenDue() async {
        for await _ in wakes where await exportWhatWaits() { return }
    }

    /// - Returns: whether nothing more is to be done.
    private func exportWhatWaits() async -> Bool {
        while true {
            switch nextTurn() {
            case .rest: return false
            case .end: return true
            case .send(let spans):
                guard !Task.isCancelled else { return true }
                let (answer, why) = await post(spans)
                take(answer, why, spans: spans.count)
            }
        }
    }

    private func nextTurn() -> Turn {
        state.withLock { state in
            if let end = state.pausedUntil, !state.isStopping, ContinuousClock.now < end {
                return .rest
            }
            state.pausedUntil = nil
            if state.current.isEmpty { state.current = state.queue.takeBatch() }
            if state.current.isEmpty { return state.isStopping ? .end : .rest }
            return .send(state.current)
        }
    }

    private func take(_ answer: ExportAnswer, _ why: String, spans: Int) {
        let lost = state.withLock { state -> (Loss, Int)? in
            let step = state.pace.answered(
                answer, spans: spans, random: .random(in: 0..<1))
            var loss: (Loss, Int)?
            switch step {
            case .done(let exported, let refused):
                state.statistics.exported += exported
                if refused > 0 { loss = (.refused, refused) }
                state.current = []
            case .retry where state.isStopping:
                loss = (.stopped, spans)
                state.current = []
            case .retry(let pause):
                state.pausedUntil = .now.advanced(by: pause)
                return nil
            case .giveUp:
                loss = (.undelivered, spans)
                state.current = []
            }
            if let loss { state.statistics.lost[loss.0, default: 0] += loss.1 }
            return loss
        }
        guard let lost else { return }
        logger.warning(
            "spans were lost",
            metadata: [
                "reason": "\(lost.0.rawValue)", "spans": "\(lost.1)", "answer": "\(why)",
            ])
    }

    private func post(_ spans: [SpanRecord]) async -> (ExportAnswer, why: String) {
        let document = OTLPDocument(
            spans, resource: settings.resource, scope: settings.scope)
        let path = settings.endpoint.path
        let result = await transport.send(
            OutgoingRequest(
                .post, settings.endpoint.origin, target: path.isEmpty ? "/" : path,
                fields: [HTTPField("content-type", "application/json")] + settings.headers,
                body: document.bytes, maxAnswerBytes: ExportAnswer.maxBytes,
                deadline: .now.advanced(by: settings.timeout)))
        let why =
            switch result {
            case .success(let answer): "\(answer.status)"
            case .failure(let failure): "\(failure.kind.rawValue)"
            }
        return (ExportAnswer(result), why)
    }
}
