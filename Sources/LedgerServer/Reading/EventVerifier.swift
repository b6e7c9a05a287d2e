import GRPCCore
package import LedgerAPI
package import LedgerCore
package import LedgerStore
package import Logging
import PrometheusExposition
import SwiftProtobuf

/// Checks what is stored, from etcd and never from a cache, one run at a time and paced, so that sealing goes on
/// beside it (protocol.md 17).
package final class EventVerifier: Sendable {
    /// The most runs that wait for their turn.
    private static let maxWaiting = 8
    /// How long counter and head may take.
    private static let headTimeout = Duration.seconds(10)
    /// The tiles that are kept.
    private static let mostTiles = 256

    private let store: LedgerStore
    private let loader: LedgerLoader
    private let metrics: LedgerMetrics
    private let logger: Logger
    private let known: @Sendable () -> Head?
    private let turns = Turns(maxWaiting: EventVerifier.maxWaiting)

    /// - Parameter known: the head that this replica knows by itself, which is part of what is verified.
    package init(
        store: LedgerStore, metrics: LedgerMetrics, logger: Logger,
        known: @escaping @Sendable () -> Head?
    ) {
        self.store = store
        loader = LedgerLoader(store)
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
        let (head, known, beyond) = try await heads()
        let wrongHead = known.finding(at: head)
        if head == .empty, let wrongHead {
            return response(first: 0, last: 0, verified: 0, finding: wrongHead)
        }
        guard
            let range = try Self.range(
                first: first, last: last, head: head.sequence, known: known.head?.sequence)
        else {
            return response(
                first: 0, last: 0, verified: 0,
                finding: wrongHead ?? beyond.map(Self.beyondHead))
        }
        var verifier = LedgerVerifier(
            first: range.lowerBound, last: range.upperBound, head: head, known: known,
            base: try await base(of: range.lowerBound), firstBlockBeyondHead: beyond)
        try await feed(&verifier, head: head)
        return response(
            first: range.lowerBound.rawValue, last: range.upperBound.rawValue,
            verified: verifier.eventsVerified, finding: verifier.finding)
    }

    /// The stored head, or the known one where what is stored is none, with what is known by itself.
    private func heads() async throws -> (Head, KnownHead, beyond: SequenceNumber?) {
        // Before the store is asked: it never shows less.
        let known = self.known().flatMap { $0.sequence > .zero ? $0 : nil }
        do throws(LedgerStoreError) {
            let (observation, beyond) = try await store.observeBeyond(timeout: Self.headTimeout)
            return (observation.head, KnownHead(head: known), beyond)
        } catch {
            guard case .inconsistent(let reason) = error.code else { throw error }
            return (known ?? .empty, KnownHead(head: known, problem: "\(reason)"), nil)
        }
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

    private static func beyondHead(_ number: SequenceNumber) -> VerificationFinding {
        VerificationFinding(
            sequenceNumber: number, kind: .beyondHead, expected: "no event beyond the head",
            actual: "the block \(number)")
    }

    /// The tree below the range, nil where its tiles cannot be read.
    private func base(of first: SequenceNumber) async throws -> MerkleFrontier? {
        do throws(LedgerStoreError) {
            let size = LedgerVerifier.baseSize(first: first)
            return try await loader.tileStack(size: size, tail: []).frontier
        } catch {
            if case .inconsistent = error.code { return nil }
            throw error
        }
    }

    // MARK: Feeding

    private func feed(_ verifier: inout LedgerVerifier, head: Head) async throws {
        var source: BlockSource?
        var tiles: [TileID: [UInt8]] = [:]
        var tileSizer = PageSizer(unitBytes: Tile.byteCount)
        while true {
            try Task.checkCancellation()
            switch verifier.need {
            case .nothing:
                return
            case .block(let number):
                if source == nil { source = try await blocks(holding: number, head: head) }
                if let block = try await source?.next() {
                    verifier.consume(block: block.first, value: block.bytes)
                } else {
                    verifier.consumeEndOfBlocks()
                }
            case .tile(let id):
                if tiles[id] == nil {
                    if tiles.count >= Self.mostTiles { tiles = [:] }
                    let found = try await store.tileValues(
                        level: id.level, from: id.index, sizer: &tileSizer)
                    for (found, value) in found { tiles[found] = value }
                }
                verifier.consume(tile: id, value: tiles[id])
            case .segment(let number):
                let found = try await store.segments(from: number, end: number + 1, limit: 1)
                verifier.consume(segment: number, value: found.first?.bytes)
            }
        }
    }

    private func blocks(holding number: SequenceNumber, head: Head) async throws -> BlockSource {
        let start = try await store.newestBlockStart(atOrBelow: number)
        return BlockSource(
            pages: BlockPages(store, from: start ?? .first, through: head.sequence))
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

/// Hands out stored blocks one by one, and lets others have the processors between two pages.
private struct BlockSource {
    var pages: BlockPages
    private var page: ArraySlice<StoredBlock> = []
    private var readAt = ContinuousClock.now

    init(pages: BlockPages) {
        self.pages = pages
    }

    mutating func next() async throws -> StoredBlock? {
        if page.isEmpty {
            let worked = readAt.duration(to: .now)
            try await Task.sleep(for: min(worked / 2, .milliseconds(50)))
            readAt = .now
            page = try await pages.nextPage()[...]
        }
        return page.popFirst()
    }
}
