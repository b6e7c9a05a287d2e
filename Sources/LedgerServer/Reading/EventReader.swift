package import LedgerCore
package import LedgerReplica
import LedgerStore

/// Answers the reading calls (api.md, "Reading").
package struct EventReader: Sendable {
    /// How long a read waits for this replica's index to reach a number that the head has passed already.
    private static let catchUpTimeout = Nanoseconds.milliseconds(2_000)

    private let replica: Replica
    private let pages: PageReader
    private let blocks: BlockReader
    private let feed: HeadFeed
    private let memory: ListingMemory

    package init(
        replica: Replica, pages: PageReader, blocks: BlockReader, feed: HeadFeed,
        memory: ListingMemory
    ) {
        self.memory = memory
        self.replica = replica
        self.pages = pages
        self.blocks = blocks
        self.feed = feed
    }

    /// The event that has a number.
    package func event(_ number: SequenceNumber) async throws -> SealedEntry {
        guard number > .zero else {
            throw LedgerRPCError.invalidArgument(
                field: "sequence_number", "must be 1 or greater: numbers begin with 1")
        }
        try await require(number)
        return try await blocks.event(number, startedBy: replica.blockStart(of: number))
    }

    /// The event that was sealed under an id.
    package func event(id bytes: [UInt8]) async throws -> SealedEntry {
        let id: EventID
        do throws(FormatError) {
            id = try EventID(validating: bytes)
        } catch {
            throw LedgerRPCError.invalidArgument(
                field: "event_id", "must be 1 to 256 bytes of UTF-8")
        }
        if let found = try await replica.indexedEvent(id: id) { return found }
        // The index proves absence only up to what it covers: cover the present head first.
        let head = try await coveredHead()
        if let found = try await replica.indexedEvent(id: id) { return found }
        throw LedgerRPCError.notFound(
            "no event with this event_id is sealed; the head is number \(head)")
    }

    /// The head as it is now, with an index that covers it.
    package func coveredHead() async throws -> SequenceNumber {
        guard replica.coveredNumber != nil else { throw notCovering }
        let head = try await linearizableHead()
        try await waitUntilCovered(head)
        return head
    }

    /// The head as it is now.
    package func linearizableHead() async throws -> SequenceNumber {
        do throws(LedgerStoreError) {
            return try await replica.heads.observe().head.sequence
        } catch {
            throw error.asRPCError
        }
    }

    /// The numbers of a range call, with its zeros replaced.
    ///
    /// - Returns: nil for the range of an empty ledger.
    package func range(
        first: UInt64, last: UInt64, follow: Bool = false
    ) async throws -> ClosedRange<SequenceNumber>? {
        if follow, last != 0 {
            throw LedgerRPCError.invalidArgument(
                field: "last", "must be 0 with follow, which has no end")
        }
        let from = SequenceNumber(rawValue: max(first, 1))
        if last != 0, from.rawValue > last {
            throw LedgerRPCError.invalidArgument(
                field: "first", "must not be above last")
        }
        let covered = replica.readableNumber ?? .zero
        let needsHead = last == 0 || last > covered.rawValue
        let head = needsHead ? try await coveredHead() : covered
        let through = last == 0 ? head : SequenceNumber(rawValue: last)
        if through > head {
            throw LedgerRPCError.outOfRange("last is beyond the head, which is number \(head)")
        }
        if from > head {
            if first == 0 || follow { return nil }
            throw LedgerRPCError.outOfRange("first is beyond the head, which is number \(head)")
        }
        return from...through
    }

    /// The size of a tree that is asked for, which this replica covers then; 0 asks for the head's.
    package func treeSize(_ asked: UInt64, field: String) async throws -> UInt64 {
        guard let readable = replica.readableNumber else { throw Self.starting }
        if asked != 0, asked <= readable.rawValue { return asked }
        let head = try await coveredHead()
        guard asked <= head.rawValue else {
            throw LedgerRPCError.outOfRange(
                "\(field) is beyond the head, which is number \(head)")
        }
        return asked == 0 ? head.rawValue : asked
    }

    /// Reads a range piece by piece.
    package func listing(_ range: ClosedRange<SequenceNumber>) -> EventListing {
        EventListing(
            .init(replica: replica, pages: pages, blocks: blocks, memory: memory), range)
    }

    /// Waits for events after a number, and returns the number of the newest.
    package func head(after number: SequenceNumber) async throws -> SequenceNumber {
        let head = await feed.head(after: number)
        try Task.checkCancellation()
        return head
    }

    /// Looks for new events of other replicas more often while `body` runs.
    package func following<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        try await replica.heads.following(body)
    }

    // MARK: Private

    static var starting: LedgerRPCError {
        .unavailable("the ledger is still being loaded; try again", retryAfter: .milliseconds(200))
    }

    /// Why a question about the present cannot be answered by a replica that has not read the ledger from the quorum.
    private var notCovering: LedgerRPCError {
        if let loading = replica.loading {
            return .unavailable(
                "the ids of events are still being loaded: only events up to number \(loading.head) "
                    + "can be read, by number; try again", retryAfter: .seconds(1))
        }
        guard let found = replica.readableNumber else { return Self.starting }
        return .unavailable(
            "etcd has no quorum: only events up to number \(found) can be read; try again",
            retryAfter: .seconds(1))
    }

    /// Makes sure that the number is at or below the head, and indexed.
    private func require(_ number: SequenceNumber) async throws {
        guard let readable = replica.readableNumber else { throw Self.starting }
        if number <= readable { return }
        guard replica.coveredNumber != nil else { throw notCovering }
        let head = try await linearizableHead()
        guard number <= head else {
            throw LedgerRPCError.notFound("number \(number) is beyond the head, number \(head)")
        }
        try await waitUntilCovered(number)
    }

    private func waitUntilCovered(_ number: SequenceNumber) async throws {
        if (replica.coveredNumber ?? .zero) >= number { return }
        await replica.waitUntilCovered(number, within: Self.catchUpTimeout)
        try Task.checkCancellation()
        guard (replica.coveredNumber ?? .zero) >= number else {
            throw LedgerRPCError.unavailable(
                "this replica has not caught up with the head yet; try again",
                retryAfter: .milliseconds(200))
        }
    }
}
