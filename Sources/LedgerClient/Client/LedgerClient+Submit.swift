internal import GRPCCore
internal import GRPCProtobuf
internal import LedgerAPI

extension LedgerClient {
    /// Seals an event, submitting it again as the configuration's ``RetryPolicy`` allows.
    ///
    /// An event_id is sealed at most once, so the same event can be submitted again without danger:
    /// after an attempt without a definite answer this goes on until the event is settled. An
    /// answer that it was sealed before then means that an earlier attempt succeeded, and is
    /// returned as success.
    ///
    /// - Parameters:
    ///   - event: The event. Submit it again unchanged, its timestamp included.
    ///   - resolvingUnknown: Whether an earlier call for this event ended with an unknown outcome.
    ///     Then an event that is sealed already counts as success, and nothing but a settled
    ///     outcome ends the attempts.
    /// - Returns: The sealed event, whose hash was checked here.
    /// - Throws: ``LedgerError``, whose ``LedgerError/sealed`` says whether the event is sealed.
    public func submit(
        _ event: CertifiedEvent, resolvingUnknown: Bool = false
    ) async throws(LedgerError) -> SealedEvent {
        let attempts = SubmissionAttempts(
            policy: configuration.retryPolicy, hasUnknownAttempt: resolvingUnknown)
        return try await submit(event, attempts: attempts, since: .now).result.get()
    }

    /// Submits until the attempts settle the event or run out.
    ///
    /// - Parameters:
    ///   - event: The event.
    ///   - attempts: What is known from earlier attempts.
    ///   - start: When the first attempt began.
    func submit(
        _ event: CertifiedEvent, attempts: SubmissionAttempts, since start: ContinuousClock.Instant
    ) async -> (result: Result<SealedEvent, LedgerError>, attempts: Int) {
        let message = Ledger_CertifiedEvent(event)
        var attempts = attempts
        while true {
            let result = Task.isCancelled ? .failure(cancelled) : await attempt(message, of: event)
            let action = attempts.attemptEnded(
                result, elapsed: start.duration(to: .now), random: .random(in: 0..<1))
            switch action {
            case .succeed(let sealed): return (.success(sealed), attempts.count)
            case .fail(let error): return (.failure(error), attempts.count)
            // A cancelled sleep leads to a cancelled attempt, which ends the loop.
            case .retry(let delay): try? await Task.sleep(for: delay)
            }
        }
    }

    /// One attempt, without any retrying.
    private func attempt(
        _ message: Ledger_CertifiedEvent, of event: CertifiedEvent
    ) async -> Result<SealedEvent, LedgerError> {
        let serializer = TrackingSerializer()
        var options = CallOptions.defaults
        options.timeout = configuration.submissionDeadline.callTimeout
        do {
            let answer = try await ledger.submitEvent(
                request: ClientRequest(message: message),
                serializer: serializer,
                deserializer: ProtobufDeserializer<Ledger_SealedEvent>(),
                options: options
            ) { try $0.message }
            return checker.checked(SealedEvent(answer), answers: event)
        } catch {
            let failure = LedgerError.submission(
                error, wasSent: serializer.wasUsed, service: service)
            return .failure(checker.checked(failure, answers: event))
        }
    }

    /// Checks what comes back, as far as the configuration asks for it.
    var checker: EventChecker {
        EventChecker(checksHashes: configuration.checksHashes, service: service)
    }

    private var cancelled: LedgerError {
        LedgerError(.cancelled, sealed: .no, message: "The submission was cancelled")
    }
}
