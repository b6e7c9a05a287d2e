import HTTPTransport
import Synchronization

/// A request to S3 before it is signed.
struct S3Request: Sendable {
    var method: OutgoingRequest.Method
    /// Percent-encoded.
    var path: String
    /// Not encoded.
    var query: [(name: String, value: String)] = []
    /// What is sent, and signed, beside what every request has; names in lower case.
    var fields: [HTTPField] = []
    var body: [UInt8] = []
    var maxAnswerBytes: Int

    init(_ method: OutgoingRequest.Method, path: String, maxAnswerBytes: Int) {
        self.method = method
        self.path = path
        self.maxAnswerBytes = maxAnswerBytes
    }
}

/// How a request was answered.
enum S3Reply: Sendable {
    /// With a status of 200 to 299.
    case success(HTTPAnswer)
    case refusal(S3Refusal)
    /// With more bytes than may be read.
    case tooLong
}

/// Signs requests, sends them, and sends them again.
final class S3Transport: Sendable {
    private let settings: S3Settings
    private let address: S3Address
    private let curl: CurlTransport
    private let signer: RequestSigner
    private let credentials: CredentialReader
    private let reporter: RequestReporter
    private let now: @Sendable () -> Int64

    init(
        _ settings: S3Settings, _ address: S3Address, observer: ObjectRequestObserver?,
        now: @escaping @Sendable () -> Int64
    ) throws(ObjectStoreError) {
        self.settings = settings
        self.address = address
        self.now = now
        signer = RequestSigner(region: settings.region)
        credentials = CredentialReader(settings.credentials)
        reporter = RequestReporter(observer: observer)
        do {
            curl = try CurlTransport(Self.transportSettings(settings, address))
        } catch {
            throw ObjectStoreError(.unavailable, error.description)
        }
    }

    func shutDown() async { await curl.shutDown() }

    private static func transportSettings(
        _ settings: S3Settings, _ address: S3Address
    ) -> TransportSettings {
        var transport = TransportSettings(threadName: "s3")
        transport.protocols = address.origin.scheme == .https ? .httpsOnly : .httpAndHTTPS
        transport.caCertificatePath = settings.caCertificatePath
        transport.maxConnections = settings.maxConnections
        transport.maxIdleConnections = settings.maxConnections
        // Stores end connections that nobody uses, and a put that meets such an end is one attempt lost.
        transport.connectionMaxIdleTime = .seconds(5)
        transport.connectTimeout = settings.connectTimeout
        // A store may be busy with an object for as long as the request may take.
        transport.longestSilence = settings.requestTimeout
        transport.unacknowledgedTimeout = settings.requestTimeout
        transport.maxAnswerBytes = max(settings.maxObjectBytes, S3Listing.maxByteCount)
        transport.keptFields = .only([
            "content-length", "date", "retry-after", "x-amz-bucket-region",
        ])
        return transport
    }

    // MARK: Attempts

    /// Sends a request until it is answered for good, or its attempts or its time are used up.
    ///
    /// - Parameter judge: What an answer means: a value, with what the observer is told, or an error, of which the
    ///   retryable ones bring about another attempt.
    func perform<Value: Sendable>(
        _ operation: ObjectRequest.Operation, _ request: S3Request,
        _ judge: (S3Reply) throws(ObjectStoreError) -> (Value, ObjectRequest.Result, Int)
    ) async throws(ObjectStoreError) -> Value {
        let deadline = ContinuousClock.now + settings.totalTimeout
        let hash = RequestSigner.hash(request.body)
        var attempt = 1
        while true {
            var wish: Duration?
            do throws(ObjectStoreError) {
                return try await reporter.report(operation) { () throws(ObjectStoreError) in
                    let reply = try await send(request, hash, deadline: deadline)
                    if case .refusal(let refusal) = reply { wish = refusal.wish }
                    return try judge(reply)
                }
            } catch {
                guard error.isRetryable, attempt < settings.retries.maxAttempts else {
                    throw attempt == 1 ? error : error.after(attempt)
                }
                let pause = settings.retries.pause(
                    after: attempt, fraction: .random(in: 0...1), wish: wish)
                guard .now + pause < deadline else { throw error.after(attempt) }
                do {
                    try await Task.sleep(for: pause)
                } catch {
                    throw ObjectStoreError(.cancelled, "the operation was cancelled")
                }
                attempt += 1
            }
        }
    }

    /// One attempt; where the store finds the credentials stale that have been replaced since, a second one.
    private func send(
        _ request: S3Request, _ hash: String, deadline: ContinuousClock.Instant
    ) async throws(ObjectStoreError) -> S3Reply {
        let first = try await credentials.current()
        let reply = try await send(request, hash, first, deadline: deadline)
        guard case .refusal(let refusal) = reply, refusal.asksForOtherCredentials else {
            return reply
        }
        let second = try await credentials.current()
        return second == first ? reply : try await send(request, hash, second, deadline: deadline)
    }

    private func send(
        _ request: S3Request, _ hash: String, _ credentials: S3Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(ObjectStoreError) -> S3Reply {
        let query = RequestSigner.encoded(request.query)
        let outgoing = OutgoingRequest(
            request.method, address.origin,
            target: query.isEmpty ? request.path : "\(request.path)?\(query)",
            fields: signed(request, hash, credentials), body: request.body,
            maxAnswerBytes: request.maxAnswerBytes,
            // Without a deadline of its own for the connection: where all are busy, it waits its turn.
            deadline: min(.now + settings.requestTimeout, deadline))
        switch await curl.send(outgoing) {
        case .success(let answer):
            return (200...299).contains(answer.status)
                ? .success(answer) : .refusal(S3Refusal(answer))
        case .failure(let failure):
            if failure.kind == .answerTooLong { return .tooLong }
            throw Self.error(failure)
        }
    }

    private func signed(
        _ request: S3Request, _ hash: String, _ credentials: S3Credentials
    ) -> [HTTPField] {
        let time = SigningTime(secondsSince1970: now())
        var fields =
            [
                HTTPField("host", address.hostField), HTTPField("x-amz-content-sha256", hash),
                HTTPField("x-amz-date", time.text),
            ] + request.fields
        if let token = credentials.sessionToken {
            fields.append(HTTPField("x-amz-security-token", token))
        }
        let authorization = signer.authorization(
            RequestSigner.Request(
                method: request.method.rawValue, path: request.path, query: request.query,
                fields: fields.map { ($0.name, $0.value) }, payloadHash: hash),
            credentials, at: time)
        return fields + [HTTPField("authorization", authorization)]
    }

    // MARK: Answers

    func error(_ refusal: S3Refusal) -> ObjectStoreError { refusal.error(at: now()) }

    /// The answer, where it is one of success.
    @discardableResult
    func expectSuccess(_ reply: S3Reply) throws(ObjectStoreError) -> HTTPAnswer {
        switch reply {
        case .success(let answer): return answer
        case .refusal(let refusal): throw error(refusal)
        case .tooLong:
            throw ObjectStoreError(.invalidAnswer, "the store's answer is longer than any may be")
        }
    }

    private static func error(_ failure: TransferFailure) -> ObjectStoreError {
        switch failure.kind {
        case .timeout: ObjectStoreError(.timedOut, "the store did not answer in time")
        case .cancelled, .shutDown: ObjectStoreError(.cancelled, failure.message)
        case .answerTooLong, .malformedRequest:
            ObjectStoreError(.configuration, failure.message)
        case .tls:
            ObjectStoreError(
                .unavailable,
                "no secure connection to the store: \(failure.message); check the endpoint and the CA file"
            )
        case .connect:
            ObjectStoreError(.unavailable, "no connection to the store: \(failure.message)")
        case .connectionLost:
            ObjectStoreError(
                .unavailable, "the connection to the store was lost: \(failure.message)")
        case .noMemory: ObjectStoreError(.unavailable, failure.message)
        }
    }
}

extension ObjectStoreError {
    fileprivate func after(_ attempts: Int) -> ObjectStoreError {
        ObjectStoreError(kind, "\(message), after \(attempts) attempts")
    }
}
