import EtcdGateway
package import LedgerCore
package import LedgerStore

/// Answers the reading calls (the API's rules for reads).
package struct EventReader: Sendable {
    /// How long a read waits for this replica's index to reach a number that the head has passed already.
    private static let catchUpTimeout = Duration.seconds(2)

    /// How many blocks a listing reads at once.
    private static let listedBlocks = 64

    private let sealer: Sealer
    private let store: LedgerStore
    private let blocks: BlockReader
    private let observer: HeadObserver

    package init(
        sealer: Sealer, store: LedgerStore, blocks: BlockReader, observer: HeadObserver
    ) {
        self.sealer = sealer
        self.store = store
        self.blocks = blocks
        self.observer = observer
    }

    /// The event that has a number.
    package func event(_ number: SequenceNumber) async throws -> SealedEntry {
        guard number > .zero else {
            throw LedgerRPCError.invalidArgument(
                field: "sequence_number", "must be 1 or greater: numbers begin with 1")
        }
        try await require(number)
        return try await blocks.event(number, startedBy: sealer.blockStart(of: number))
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
        if let found = try await find(id) { return found }
        // The index proves absence only up to what it covers: cover the present head first.
        let head = try await coveredHead()
        if let found = try await find(id) { return found }
        throw LedgerRPCError.notFound(
            "no event with this event_id is sealed; the head is number \(head)")
    }

    /// The head as it is now, with an index that covers it.
    package func coveredHead() async throws -> SequenceNumber {
        guard sealer.coveredNumber != nil else { throw Self.starting }
        let head = try await linearizableHead()
        try await waitUntilCovered(head)
        return head
    }

    /// The head as it is now.
    package func linearizableHead() async throws -> SequenceNumber {
        do throws(LedgerStoreError) {
            return try await observer.observe().head.sequence
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
        let covered = sealer.coveredNumber ?? .zero
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

    /// The events from a number on, as many as one page of blocks holds, but none beyond `last`.
    ///
    /// - Throws: `CORRUPT` where the next block is not stored, or is not that block.
    package func page(
        from number: SequenceNumber, through last: SequenceNumber
    ) async throws -> [SealedEntry] {
        guard let first = sealer.blockStart(of: number) else { throw Self.starting }
        let stored: [StoredBlock]
        do throws(LedgerStoreError) {
            stored = try await pageOfBlocks(from: first, through: last)
        } catch {
            throw error.asRPCError
        }
        var events: [SealedEntry] = []
        var next = first
        for block in stored where block.first == next {
            let decoded = try BlockReader.decode(block.bytes, first: block.first)
            next = block.first.advanced(by: UInt64(decoded.count))
            events += decoded.filter { (number...last).contains($0.entry.sequenceNumber) }
        }
        guard !events.isEmpty else {
            throw LedgerRPCError.corrupt("the block that should hold number \(number) is missing")
        }
        return events
    }

    /// From the member's own copy, and only when that lacks the first block from the quorum.
    private func pageOfBlocks(
        from first: SequenceNumber, through last: SequenceNumber
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        let options = EtcdRequestOptions()
        var local = BlockPages(
            store, from: first, through: last, serializable: true, limit: Self.listedBlocks)
        if let page = try? await local.nextPage(options: options), page.first?.first == first {
            return page
        }
        var certain = BlockPages(store, from: first, through: last, limit: Self.listedBlocks)
        return try await certain.nextPage(options: options)
    }

    /// The newest number that can be read here; nil until the ledger was read.
    package var coveredNumber: SequenceNumber? { sealer.coveredNumber }

    /// Waits for events after a number.
    package func waitForMore(after number: SequenceNumber) async throws {
        await sealer.waitUntilCovered(number.next)
        try Task.checkCancellation()
    }

    /// Looks for new events of other replicas more often while `body` runs.
    package func following<Value>(_ body: () async throws -> Value) async rethrows -> Value {
        try await observer.following(body)
    }

    // MARK: Private

    private static var starting: LedgerRPCError {
        .unavailable("the ledger is still being loaded; try again", retryAfter: .milliseconds(200))
    }

    private func find(_ id: EventID) async throws -> SealedEntry? {
        for number in sealer.candidates(for: Fingerprint(of: id)) {
            let found = try await blocks.event(number, startedBy: sealer.blockStart(of: number))
            if found.entry.event.eventID == id { return found }
        }
        return nil
    }

    /// Makes sure that the number is at or below the head, and indexed.
    private func require(_ number: SequenceNumber) async throws {
        guard let covered = sealer.coveredNumber else { throw Self.starting }
        if number <= covered { return }
        let head = try await linearizableHead()
        guard number <= head else {
            throw LedgerRPCError.notFound("number \(number) is beyond the head, number \(head)")
        }
        try await waitUntilCovered(number)
    }

    private func waitUntilCovered(_ number: SequenceNumber) async throws {
        if (sealer.coveredNumber ?? .zero) >= number { return }
        await sealer.waitUntilCovered(number, within: Self.catchUpTimeout)
        try Task.checkCancellation()
        guard (sealer.coveredNumber ?? .zero) >= number else {
            throw LedgerRPCError.unavailable(
                "this replica has not caught up with the head yet; try again",
                retryAfter: .milliseconds(200))
        }
    }
}
