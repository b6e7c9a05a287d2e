internal import GRPCCore
internal import LedgerAPI
internal import SwiftProtobuf
internal import Synchronization
internal import TaskCoordination

/// Reads a range of events into a mailbox, at most a window ahead of the consumer.
final class SealedEventReader: Sendable {
    /// What was read, and at the end the error if there was one.
    let events = Mailbox<Result<SealedEvent, LedgerError>>()

    /// Bounds what lies in ``events``; the consumer gives a permit back for each event it takes.
    let window: Gate

    private let client: LedgerClient
    private let last: UInt64
    private let follow: Bool
    private let link: Mutex<EventLink>

    init(client: LedgerClient, first: UInt64, last: UInt64, follow: Bool) {
        self.client = client
        self.last = last
        self.follow = follow
        window = Gate(permits: client.configuration.streamWindow)
        link = Mutex(EventLink(first: Swift.max(first, 1), checker: client.checker))
    }

    /// Reads until the range ends, an error is final, or the task is cancelled.
    func run() async {
        defer { events.close() }
        var failures = 0
        var failingSince = ContinuousClock.now
        while !Task.isCancelled {
            let before = link.withLock(\.next)
            let error = await readOnce()
            guard let error, !isBehindTheEnd(error) else { return }
            if link.withLock(\.next) != before { (failures, failingSince) = (0, .now) }
            failures += 1
            let delay = client.configuration.retryPolicy.delay(
                afterAttempts: failures, elapsed: failingSince.duration(to: .now),
                retryAfter: error.retryAfter, random: .random(in: 0..<1))
            guard error.isWorthReadingAgain, let delay else {
                events.put(.failure(error))
                return
            }
            try? await Task.sleep(for: delay)
        }
    }

    /// Opens a stream where reading stands, and reads it to its end; nil where the range ended.
    private func readOnce() async -> LedgerError? {
        let request = Ledger_ListEventsRequest.with {
            $0.first = link.withLock(\.next)
            $0.last = last
            $0.follow = follow
        }
        do {
            try await client.ledger.listEvents(request: ClientRequest(message: request)) {
                for try await message in $0.messages {
                    let event = try self.link.withLock { link throws(LedgerError) in
                        try link.accept(SealedEvent(message))
                    }
                    guard await self.window.acquire() == 1 else { throw CancellationError() }
                    self.events.put(.success(event))
                }
            }
        } catch {
            return LedgerError.read(error, service: client.service)
        }
        guard follow else { return nil }
        return LedgerError(
            .unavailable, sealed: nil, message: "\(client.service) ended the stream")
    }

    /// Whether the error only says that a stream which broke at its very end had nothing left.
    private func isBehindTheEnd(_ error: LedgerError) -> Bool {
        let (next, count) = link.withLock { ($0.next, $0.count) }
        if last != 0 { return count > 0 && next > last }
        return !follow && count > 0 && error.kind == .outOfRange
    }
}
