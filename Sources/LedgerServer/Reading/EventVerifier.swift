import GRPCCore
package import LedgerAPI
package import LedgerCore
package import LedgerStore
package import LedgerTransparency
package import Logging
import PrometheusExposition
import SwiftProtobuf

/// Checks what is stored, from etcd and never from a cache, one run at a time and paced, so that sealing goes on
/// beside it (protocol.md 17).
package final class EventVerifier: Sendable {
    /// The most runs that wait for their turn.
    private static let maxWaiting = 8
    private let store: LedgerStore
    private let loader: LedgerLoader
    private let reader: StatementReader
    private let metrics: LedgerMetrics
    private let logger: Logger
    private let known: @Sendable () -> Head?
    private let turns = Turns(maxWaiting: EventVerifier.maxWaiting)

    /// - Parameters:
    ///   - trust: which checkpoints are believed.
    ///   - known: the head that this replica knows by itself, which is part of what is verified.
    package init(
        store: LedgerStore, trust: CheckpointTrust, metrics: LedgerMetrics, logger: Logger,
        known: @escaping @Sendable () -> Head?
    ) {
        self.store = store
        loader = LedgerLoader(store)
        reader = StatementReader(store, trust: trust)
        self.metrics = metrics
        self.logger = logger
        self.known = known
    }

    /// Verifies a range; zeros mean the first event and the head.
    package func verify(first: UInt64, last: UInt64) async throws -> Ledger_VerifyEventsResponse {
        if last != 0, max(first, 1) > last {
            throw LedgerRPCError.invalidArgument(field: "first", "must not be above last")
        }
        guard try await turns.take() else {
            throw LedgerRPCError(
                .resourceExhausted, .overloaded,
                "too many verifications are waiting; try again later", retryDelay: .seconds(5))
        }
        defer { turns.giveBack() }
        do {
            return try await run(first: first, last: last)
        } catch let error as LedgerStoreError {
            throw error.asRPCError
        }
    }

    private func run(first: UInt64, last: UInt64) async throws -> Ledger_VerifyEventsResponse {
        // Before the store is asked: it never shows less.
        let known = known()
        let statement = try await reader.read(known: known)
        let head = statement.head
        if head == .empty, let wrong = statement.known.finding(at: head) {
            return response(first: 0, last: 0, verified: 0, finding: wrong)
        }
        guard
            let range = try Self.range(
                first: first, last: last, head: head.sequence,
                known: statement.known.head?.sequence)
        else {
            let finding =
                head == .empty
                ? statement.findingOfEmptyLedger : statement.known.finding(at: head)
            return response(first: 0, last: 0, verified: 0, finding: finding)
        }
        var verifier = statement.verifier(
            first: range.lowerBound, last: range.upperBound,
            base: try await loader.base(
                size: LedgerVerifier.baseSize(first: range.lowerBound)))
        var feed = VerifierFeed(store, through: head.sequence)
        var unreadable: VerificationFinding?
        do {
            while verifier.need != .nothing {
                try Task.checkCancellation()
                verifier.consume(try await feed.read(verifier.need))
            }
        } catch let error as LedgerStoreError {
            guard case .inconsistent(let reason) = error.code else { throw error }
            unreadable = VerificationFinding(
                reason, before: max(range.lowerBound, verifier.position))
        }
        return response(
            first: range.lowerBound.rawValue, last: range.upperBound.rawValue,
            verified: verifier.eventsVerified, finding: unreadable ?? verifier.finding)
    }

    /// - Parameter known: a number that is known to be sealed; a range up to it ends with the head, where that is less.
    private static func range(
        first: UInt64, last: UInt64, head: SequenceNumber, known: SequenceNumber?
    ) throws -> ClosedRange<SequenceNumber>? {
        let isEmpty = head == .zero
        if isEmpty, first <= 1, last == 0 { return nil }
        let from = SequenceNumber(rawValue: max(first, 1))
        let asked = last == 0 ? head : SequenceNumber(rawValue: last)
        let through = asked <= known ?? .zero ? min(asked, head) : asked
        if from > head, from <= known ?? .zero { return nil }
        guard from <= head, through <= head else {
            throw LedgerRPCError.outOfRange("the range ends beyond the head, number \(head)")
        }
        return from...through
    }

    private func response(
        first: UInt64, last: UInt64, verified: UInt64, finding: VerificationFinding?
    ) -> Ledger_VerifyEventsResponse {
        if let finding {
            metrics.findings.increment()
            logger.error("verification found a contradiction", metadata: ["finding": "\(finding)"])
        }
        return .with {
            $0.valid = finding == nil
            $0.eventsVerified = verified
            $0.first = first
            $0.last = last
            if let finding {
                $0.firstFinding = .with {
                    $0.sequenceNumber = finding.sequenceNumber.rawValue
                    $0.kind = finding.kind.rawValue
                    $0.expected = finding.expected
                    $0.actual = finding.actual
                }
            }
        }
    }
}
