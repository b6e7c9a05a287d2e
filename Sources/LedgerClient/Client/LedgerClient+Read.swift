internal import GRPCCore
internal import LedgerAPI
internal import SwiftProtobuf

extension LedgerClient {
    /// Reads the event that has a number.
    ///
    /// - Throws: ``LedgerError`` of kind `notFound` beyond the last event.
    public func get(_ sequenceNumber: UInt64) async throws(LedgerError) -> SealedEvent {
        let request = Ledger_GetEventRequest.with { $0.sequenceNumber = sequenceNumber }
        let answer = try await read { options in
            try await self.ledger.getEvent(ClientRequest(message: request), options)
        }
        let event = try checker.checked(answer)
        guard event.sequenceNumber == sequenceNumber else {
            throw checker.corrupt("asked for number \(sequenceNumber), got another")
        }
        return event
    }

    /// Reads the event that was sealed under an id.
    ///
    /// - Throws: ``LedgerError`` of kind `notFound` where none was.
    public func get(id: String) async throws(LedgerError) -> SealedEvent {
        let request = Ledger_GetEventByIdRequest.with { $0.eventID = id }
        let answer = try await read { options in
            try await self.ledger.getEventById(ClientRequest(message: request), options)
        }
        let event = try checker.checked(answer)
        guard event.eventID.utf8.elementsEqual(id.utf8) else {
            throw checker.corrupt("asked for one id, got another")
        }
        return event
    }

    /// Reads events in order, as far as they exist when the call begins, or on and on.
    ///
    /// The events are checked to be consecutive and linked by their hashes. A broken connection is
    /// made again, and reading goes on behind the last event that was received.
    ///
    /// - Parameters:
    ///   - first: The first number; 0 means 1.
    ///   - last: The last number; 0 means the last event there is.
    ///   - follow: Go on with new events as they are sealed; `last` must be 0.
    public func list(
        first: UInt64 = 0, last: UInt64 = 0, follow: Bool = false
    ) -> SealedEventSequence {
        SealedEventSequence(client: self, first: first, last: last, follow: follow)
    }

    /// The last sealed event, or nil while there is none: a read that began after an
    /// acknowledgement sees that event, whichever replica is asked.
    public func head() async throws(LedgerError) -> SealedEvent? {
        // The service's report may be a moment old; listing from there on is exact, and short.
        let reported = try await health().lastSequenceNumber
        do {
            var newest: SealedEvent?
            for try await event in list(first: reported) { newest = event }
            return newest
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError.read(error, service: service)
        }
    }

    /// Has the service check its stored bytes against each other and against the head.
    ///
    /// - Parameters:
    ///   - first: The first number; 0 means 1.
    ///   - last: The last number; 0 means the last event there is.
    public func verify(
        first: UInt64 = 0, last: UInt64 = 0
    ) async throws(LedgerError) -> VerificationReport {
        let request = Ledger_VerifyEventsRequest.with {
            $0.first = first
            $0.last = last
        }
        let deadline = configuration.verificationDeadline
        let answer = try await read(deadline: deadline) { options in
            try await self.ledger.verifyEvents(
                request: ClientRequest(message: request), options: options)
        }
        return VerificationReport(answer)
    }

    /// Asks whether events can be sealed now.
    public func health() async throws(LedgerError) -> ServiceHealth {
        let answer = try await read { options in
            try await self.ledger.healthCheck(
                request: ClientRequest(message: Ledger_HealthCheckRequest()), options: options)
        }
        return ServiceHealth(answer)
    }

    /// Asks for the state of everything that the service depends on.
    public func detailedHealth() async throws(LedgerError) -> HealthReport {
        let answer = try await read { options in
            try await self.healthService.getHealth(
                request: ClientRequest(message: Ledger_GetHealthRequest()), options: options)
        }
        return HealthReport(answer)
    }

    func read<Answer: Sendable>(
        _ call: (CallOptions) async throws -> Answer
    ) async throws(LedgerError) -> Answer {
        try await read(deadline: configuration.readDeadline, call)
    }

    /// Makes a read, and makes it again where that may help: reading changes nothing.
    func read<Answer: Sendable>(
        deadline: Duration?, _ call: (CallOptions) async throws -> Answer
    ) async throws(LedgerError) -> Answer {
        var options = CallOptions.defaults
        options.timeout = deadline?.callTimeout
        let start = ContinuousClock.now
        var attempts = 0
        while true {
            attempts += 1
            do {
                return try await call(options)
            } catch {
                let error = LedgerError.read(error, service: service)
                guard error.isWorthReadingAgain,
                    let delay = configuration.retryPolicy.delay(
                        afterAttempts: attempts, elapsed: start.duration(to: .now),
                        retryAfter: error.retryAfter, random: .random(in: 0..<1))
                else { throw error }
                do {
                    try await Task.sleep(for: delay)
                } catch {
                    throw LedgerError.read(error, service: service)
                }
            }
        }
    }
}

extension Ledger_ImmutableLedger.ClientProtocol {
    fileprivate func getEvent(
        _ request: ClientRequest<Ledger_GetEventRequest>, _ options: CallOptions
    ) async throws -> SealedEvent {
        SealedEvent(try await getEvent(request: request, options: options))
    }

    fileprivate func getEventById(
        _ request: ClientRequest<Ledger_GetEventByIdRequest>, _ options: CallOptions
    ) async throws -> SealedEvent {
        SealedEvent(try await getEventById(request: request, options: options))
    }
}
