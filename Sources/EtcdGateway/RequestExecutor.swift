internal import HTTPTransport
import Logging
import Synchronization
import TextFormats

/// Sends one request to one member after another, as far as that is harmless.
final class RequestExecutor: Sendable {
    /// Turns the body of a 200 into what the caller wants.
    typealias Decode<Answer> =
        @Sendable (ResponseDecoding, [UInt8]) throws(JSONFailure) -> Answer

    private let transport: CurlTransport
    private let selector: Mutex<EndpointSelector>
    private let requestTimeout: Duration
    private let connectTimeout: Duration
    private let asksOthersAfterTimeout: Bool
    private let maxConnections: Int
    private let logger: Logger
    let endpoints: [EtcdEndpoint]
    let breakers: EndpointBreakers
    private let ownsBreakers: Bool
    /// How long a request waits that finds nobody to ask.
    private static let refusalPause = Duration.milliseconds(1)

    /// - Parameter breakers: Those of another executor for the same members; nil makes new ones.
    init(
        _ configuration: EtcdConfiguration, breakers: EndpointBreakers? = nil, logger: Logger
    ) throws(EtcdError) {
        let transport: CurlTransport
        do throws(TransportUnusable) {
            transport = try CurlTransport(TransportSettings(configuration))
        } catch {
            throw Self.notSent(.configuration, error.description)
        }
        self.transport = transport
        let selector = EndpointSelector(configuration.endpoints)
        endpoints = selector.endpoints
        self.selector = Mutex(selector)
        requestTimeout = configuration.requestTimeout
        connectTimeout = configuration.connectTimeout
        asksOthersAfterTimeout = configuration.asksOthersAfterTimeout
        maxConnections = configuration.maxConnections
        self.logger = logger
        ownsBreakers = breakers == nil
        self.breakers =
            breakers
            ?? EndpointBreakers(selector.endpoints, logger: logger) { endpoint in
                await Self.answers(
                    endpoint, transport, within: min(configuration.requestTimeout, .seconds(1)))
            }
    }

    /// Whether a member says how it is, which it does without a login and without a quorum; nil where it could not be
    /// asked. Whatever it says is an answer, but that it cannot serve.
    private static func answers(
        _ endpoint: EtcdEndpoint, _ transport: CurlTransport, within limit: Duration
    ) async -> Bool? {
        let result = await transport.send(
            OutgoingRequest(
                .post, endpoint.origin, target: EtcdCall.Operation.status.path,
                fields: fields(nil), body: RequestEncoding.status(), deadline: .now + limit))
        switch result {
        case .success(let answer): return answer.status < 500
        case .failure(let failure): return failure.reason == .poolFull ? nil : false
        }
    }

    var poolStatistics: EtcdPoolStatistics {
        let current = transport.statistics
        return EtcdPoolStatistics(
            maxConnections: maxConnections, active: current.active, idle: current.idle,
            waitCount: current.waitCount, opening: current.opening, waiting: current.waiting,
            openedCount: current.openedCount, waitTime: current.waitTime,
            refusedCount: current.refusedCount)
    }

    func prefer(_ endpoint: EtcdEndpoint) {
        selector.withLock { $0.prefer(endpoint) }
    }

    func shutDown() async {
        if ownsBreakers { breakers.shutDown() }
        await transport.shutDown()
    }

    /// Sends a request until a member answers, the members or the time run out, or something
    /// happened that forbids sending it again.
    func run<Answer>(
        _ call: EtcdCall, token: String?, options: EtcdRequestOptions,
        before end: ContinuousClock.Instant?, decode: Decode<Answer>
    ) async throws(EtcdError) -> Answer {
        var tried: [EtcdEndpoint] = []
        var last: EtcdError?
        while true {
            let now = ContinuousClock.now
            if let refusal = refusalToSend(before: end, at: now) { throw last ?? refusal }
            guard let attempt = plan(call.operation, options, before: end, tried: tried, at: now)
            else {
                if let last { throw last }
                // Whoever tries again without a pause leaves room for what finds out whether a member is back.
                try? await Task.sleep(for: Self.refusalPause)
                throw breakers.refusal(options.only)
            }
            options.onAttempt?(attempt.endpoint)
            do throws(EtcdError) {
                return try await send(call, token: token, attempt, decode)
            } catch {
                guard mayTryAnother(after: error, call.operation) else { throw error }
                tried.append(attempt.endpoint)
                last = error
            }
        }
    }

    private func send<Answer>(
        _ call: EtcdCall, token: String?, _ attempt: Attempt, _ decode: Decode<Answer>
    ) async throws(EtcdError) -> Answer {
        let endpoint = attempt.endpoint
        let result = await transport.send(
            OutgoingRequest(
                .post, endpoint.origin, target: call.operation.path, fields: Self.fields(token),
                body: call.body, connectDeadline: attempt.connectDeadline,
                deadline: attempt.deadline))
        switch result {
        case .success(let answer) where answer.status == 200:
            do throws(JSONFailure) {
                let value = try decode(
                    ResponseDecoding(endpoint: endpoint, date: answer.date), answer.body)
                note(answering: endpoint)
                return value
            } catch {
                let error = FailureClassification.error(for: error, endpoint: endpoint)
                note(failing: endpoint, error)
                throw error
            }
        case .success(let answer):
            let error = FailureClassification.error(
                for: answer, operation: call.operation, endpoint: endpoint)
            if answer.status >= 500 {
                note(failing: endpoint, error)
            } else {
                note(answering: endpoint)
            }
            throw error
        case .failure(let failure):
            let error = FailureClassification.error(for: failure, endpoint: endpoint)
            switch failure.reason {
            case .cancelled, .shutDown, .poolFull, .answerTooLong, .malformedRequest: break
            case .curl, .deadline: note(failing: endpoint, error)
            }
            throw error
        }
    }
}

// MARK: Transport

extension RequestExecutor {
    private static func fields(_ token: String?) -> [HTTPField] {
        let type = HTTPField("Content-Type", "application/json")
        guard let token else { return [type] }
        return [type, HTTPField("Authorization", token)]
    }
}

extension TransportSettings {
    /// What of the configuration concerns connections.
    init(_ configuration: EtcdConfiguration) {
        self.init(threadName: "etcd-gateway")
        credentials = configuration.credentials
        caCertificatePath = configuration.caCertificatePath
        clientCertificatePath = configuration.clientCertificatePath
        clientKeyPath = configuration.clientKeyPath
        maxConnections = configuration.maxConnections
        maxIdleConnections = configuration.maxIdleConnections
        maxWaitingRequests = configuration.maxWaitingRequests
        connectionMaxLifetime = configuration.connectionMaxLifetime
        connectionMaxIdleTime = configuration.connectionMaxIdleTime
        connectTimeout = configuration.connectTimeout
        maxAnswerBytes = configuration.maxResponseBytes
        longestSilence = configuration.requestTimeout
        keptFields = .only(["date"])
        let isPlain = configuration.endpoints.contains { $0.scheme == .http }
        protocols = isPlain ? .httpAndHTTPS : .httpsOnly
    }
}

// MARK: Planning

extension RequestExecutor {
    /// Whom to ask, and how long to wait.
    private struct Attempt {
        var endpoint: EtcdEndpoint
        var connectDeadline: ContinuousClock.Instant
        var deadline: ContinuousClock.Instant
    }

    private func plan(
        _ operation: EtcdCall.Operation, _ options: EtcdRequestOptions,
        before end: ContinuousClock.Instant?, tried: [EtcdEndpoint],
        at now: ContinuousClock.Instant
    ) -> Attempt? {
        // Whoever asks a member how it is wants to know it now.
        let barred = operation == .status ? [] : breakers.barred
        let choice = selector.withLock { selector -> (EtcdEndpoint, Bool)? in
            guard
                let endpoint = selector.choose(
                    at: now, tried: tried, avoiding: options.avoiding, only: options.only,
                    barred: barred)
            else { return nil }
            let hasAlternative =
                options.only == nil
                && selector.hasAlternative(
                    to: endpoint, at: now, tried: tried, barred: barred)
            return (endpoint, hasAlternative)
        }
        guard let (endpoint, hasAlternative) = choice else { return nil }
        var deadline = end ?? now + requestTimeout
        if operation.isRead {
            deadline = min(deadline, now + requestTimeout)
            // Half of what is left, so that another member can still answer in time. A write
            // gets all of it: it cannot be sent to another member after this one.
            if hasAlternative, let end {
                deadline = min(deadline, now + (end - now) / 2)
            }
        }
        var connectDeadline = min(deadline, now + connectTimeout)
        if hasAlternative { connectDeadline = min(connectDeadline, now + (deadline - now) / 2) }
        return Attempt(endpoint: endpoint, connectDeadline: connectDeadline, deadline: deadline)
    }

    private func refusalToSend(
        before end: ContinuousClock.Instant?, at now: ContinuousClock.Instant
    ) -> EtcdError? {
        if Task.isCancelled {
            return Self.notSent(.cancelled, "the request was cancelled before it was sent")
        }
        if let end, end <= now {
            return Self.notSent(.timeout, "the deadline passed before the request was sent")
        }
        return nil
    }

    /// What was not sent can go elsewhere. A read can, too, after anything that speaks of the
    /// member and not of the request.
    private func mayTryAnother(
        after error: EtcdError, _ operation: EtcdCall.Operation
    ) -> Bool {
        switch error.code {
        case .cancelled where error.httpStatus == nil, .shutDown, .configuration, .busy:
            return false
        default: break
        }
        if error.failureClass == .notSent { return true }
        guard operation.isRead, error.failureClass != .rejected else { return false }
        if let status = error.httpStatus { return status == 200 || status >= 500 }
        if error.code == .timeout { return asksOthersAfterTimeout }
        return error.code != .tooLarge
    }

    static func notSent(_ code: EtcdErrorCode, _ message: String) -> EtcdError {
        EtcdError(failureClass: .notSent, code: code, message: message)
    }
}

// MARK: Health

extension RequestExecutor {
    private func note(answering endpoint: EtcdEndpoint) {
        breakers.answered(endpoint)
        let wasFailing = selector.withLock { $0.succeeded(endpoint) }
        if wasFailing {
            logger.info("etcd member answers again", metadata: ["endpoint": "\(endpoint)"])
        }
    }

    private func note(failing endpoint: EtcdEndpoint, _ error: EtcdError) {
        breakers.failed(endpoint, error)
        let failures = selector.withLock { $0.failed(endpoint, at: .now) }
        // Once in the log for each time a member goes away, however many requests notice.
        logger.log(
            level: failures == 1 ? .warning : .debug, "etcd member fails",
            metadata: ["endpoint": "\(endpoint)", "error": "\(error)"])
    }
}
