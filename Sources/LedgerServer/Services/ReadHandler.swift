import EventLoopTasks
package import GRPCCore
package import LedgerAPI
import LedgerCore
import SwiftProtobuf

/// Serves the reading calls, `VerifyEvents` and `HealthCheck`.
package struct ReadHandler: Sendable {
    private let reader: EventReader
    private let verifier: EventVerifier
    private let board: StatusBoard

    package init(reader: EventReader, verifier: EventVerifier, board: StatusBoard) {
        self.reader = reader
        self.verifier = verifier
        self.board = board
    }

    package func getEvent(
        _ request: ServerRequest<Ledger_GetEventRequest>, _ context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        let number = SequenceNumber(rawValue: request.message.sequenceNumber)
        return Ledger_SealedEvent(try await reader.event(number))
    }

    package func getEventByID(
        _ request: ServerRequest<Ledger_GetEventByIdRequest>, _ context: ServerContext
    ) async throws -> Ledger_SealedEvent {
        Ledger_SealedEvent(try await reader.event(id: Array(request.message.eventID.utf8)))
    }

    // MARK: ListEvents

    package func listEvents(
        _ request: ServerRequest<Ledger_ListEventsRequest>
    ) async throws -> StreamingServerResponse<Ledger_SealedEvent> {
        let message = request.message
        let range = try await reader.range(
            first: message.first, last: message.last, follow: message.follow)
        let first = SequenceNumber(rawValue: max(message.first, 1))
        return StreamingServerResponse { writer in
            try await Reactor.runOnPool {
                var next = first
                if let range {
                    try await write(range, to: writer)
                    next = range.upperBound.next
                }
                if message.follow { try await follow(from: next, to: writer) }
            }
            return [:]
        }
    }

    private func write(
        _ range: ClosedRange<SequenceNumber>, to writer: RPCWriter<Ledger_SealedEvent>
    ) async throws {
        try await write(reader.listing(range), to: writer)
    }

    private func write(
        _ listing: EventListing, to writer: RPCWriter<Ledger_SealedEvent>
    ) async throws {
        while let events = try await listing.nextEvents() {
            try Task.checkCancellation()
            try await writer.write(contentsOf: events.map { Ledger_SealedEvent($0) })
        }
    }

    /// Goes on with new events until the call ends.
    private func follow(
        from first: SequenceNumber, to writer: RPCWriter<Ledger_SealedEvent>
    ) async throws {
        try await reader.following {
            var head = try await reader.head(after: first.previous)
            let listing = reader.listing(first...head)
            while true {
                listing.extend(to: head)
                try await write(listing, to: writer)
                head = try await reader.head(after: head)
            }
        }
    }

    // MARK: VerifyEvents

    package func verifyEvents(
        _ request: ServerRequest<Ledger_VerifyEventsRequest>, _ context: ServerContext
    ) async throws -> Ledger_VerifyEventsResponse {
        try await verifier.verify(first: request.message.first, last: request.message.last)
    }

    // MARK: HealthCheck

    /// `healthy` only while events can be sealed. The number is the head as it is now, or the newest that this
    /// replica knows when etcd does not answer.
    package func healthCheck(
        _ request: ServerRequest<Ledger_HealthCheckRequest>, _ context: ServerContext
    ) async throws -> Ledger_HealthCheckResponse {
        let head = try? await reader.linearizableHead()
        let status = board.current
        return .with {
            $0.healthy = status.state == .serving
            $0.status = status.state.rawValue
            $0.lastSequenceNumber = max(head?.rawValue ?? 0, status.lastSequenceNumber)
        }
    }
}
