import EtcdGateway
package import LedgerCore

/// The ledger's keys in etcd: sealing, the sealer's hint, and reads of the head, of blocks, segments and tiles.
///
/// While a member keeps a transmission of a sealing transaction, neither counter nor hint is read or written through
/// it, if there is another one (protocol.md 15).
package struct LedgerStore: Sendable {
    let store: any KeyValueStore
    package let transactions: LedgerTransactions
    /// What is known of the members; nil where all are asked alike.
    let members: EtcdMembers?
    /// Where more than a head is read; nil reads it where everything is read.
    private let bulk: BulkReads?
    private var priority = Places.Priority.ordinary
    /// The member whose own copy is read.
    private(set) var source: EtcdEndpoint?

    package var keys: LedgerKeys { transactions.keys }

    package init(
        store: any KeyValueStore, keys: LedgerKeys, members: EtcdMembers? = nil,
        bulk: BulkReads? = nil
    ) {
        self.store = store
        self.members = members
        self.bulk = bulk
        transactions = LedgerTransactions(keys: keys)
    }

    /// The same store for who cannot seal or serve before it has read: its pages do not wait behind listings and
    /// verifications.
    package var urgent: LedgerStore {
        var store = self
        store.priority = .urgent
        return store
    }

    /// The same store for who has time: its pages come after all others.
    package var patient: LedgerStore {
        var store = self
        store.priority = .background
        return store
    }

    /// The same store, read as one member has it: that may be behind, and is answered without a quorum. Nothing may be
    /// sealed on it, and it proves no absence.
    package func copy(of member: AnsweringMember) -> LedgerStore {
        copy(of: member.endpoint)
    }

    private func copy(of endpoint: EtcdEndpoint) -> LedgerStore {
        var store = self
        store.source = endpoint
        return store
    }

    // MARK: Head

    /// Counter, head and hint as one transaction showed them.
    package struct Observed: Sendable {
        package let observation: LedgerObservation
        package let hint: HintReading?
        /// The key `fence`; nil where it is absent.
        package let fence: StoredFence?
        package let member: AnsweringMember
    }

    /// Reads counter, head and hint in one transaction.
    package func observe(timeout: Duration? = nil) async throws(LedgerStoreError) -> Observed {
        let response = try await perform(
            transactions.observing(serializable: source != nil), timeout: timeout)
        return Observed(
            observation: try transactions.observation(from: response),
            hint: transactions.hint(ofRead: response), fence: Self.fence(response.range(4)),
            member: AnsweringMember(response.header))
    }

    /// Counter, head and hint as that member has them which is furthest ahead; nil where none answers.
    ///
    /// - Parameter timeout: of each member, which are asked one after another.
    package func observeCopies(timeout: Duration) async -> Observed? {
        var best: Observed?
        for endpoint in members?.endpoints ?? [] where !Task.isCancelled {
            let found = try? await copy(of: endpoint).observe(timeout: timeout)
            guard let found else { continue }
            let isAhead = best.map {
                found.observation.head.sequence > $0.observation.head.sequence
            }
            if isAhead ?? true { best = found }
        }
        return best
    }

    /// What one transaction showed of the whole ledger.
    package struct WholeObservation: Sendable {
        package let observation: LedgerObservation
        /// The number in the first block's key beyond the head.
        package let firstBeyond: SequenceNumber?
        package let checkpoint: StoredCheckpoint?
    }

    /// Reads counter and head, whether a block exists beyond that head, and the checkpoint.
    ///
    /// A transaction shows all of it at one moment, but the number to look beyond must be known before it: blocks up to
    /// a head that has moved in between are passed over, and only where there are very many it is asked again.
    ///
    /// - Parameter timeout: of all that together.
    package func observeBeyond(
        timeout: Duration = .seconds(10)
    ) async throws(LedgerStoreError) -> WholeObservation {
        let end = ContinuousClock.now + timeout
        var known = try await observe(timeout: timeout).observation
        while true {
            let response = try await perform(
                transactions.observing(firstBlockKeyAfter: known.head.sequence),
                timeout: ContinuousClock.now.duration(to: end))
            let now = try transactions.observation(from: response)
            let blocks = (response.range(5)?.kvs ?? []).compactMap { keys.blockNumber($0.key) }
            let beyond = blocks.first { $0 > now.head.sequence }
            if beyond != nil || blocks.count < LedgerTransactions.mostPassedOver {
                return WholeObservation(
                    observation: now, firstBeyond: beyond,
                    checkpoint: response.range(6).flatMap { Self.storedCheckpoint($0) })
            }
            known = now
        }
    }

    // MARK: Blocks

    /// One block's stored bytes, or nil when no block begins at that number.
    package func block(
        first: SequenceNumber, serializable: Bool = false
    ) async throws(LedgerStoreError) -> [UInt8]? {
        let request = EtcdRangeRequest(key: keys.block(first), serializable: serializable)
        return try await range(request, .block).kvs.first?.value
    }

    /// Stored blocks in ascending order, beginning with the first that starts at `from` or later and ending
    /// before the first that starts beyond `through`.
    ///
    /// Immutable keys are read without pinning a revision, which could be compacted away (protocol.md 24).
    package func blocks(
        from: SequenceNumber, through: SequenceNumber, limit: Int, serializable: Bool = false
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        let bounds = keys.blocks(from...through)
        let request = EtcdRangeRequest(
            key: bounds.key, rangeEnd: bounds.rangeEnd,
            limit: Int64(limit), serializable: serializable)
        var blocks: [StoredBlock] = []
        for pair in try await range(request).kvs {
            guard let first = keys.blockNumber(pair.key) else {
                throw .inconsistent(.malformed("a block under a key that is no number"))
            }
            blocks.append(StoredBlock(first: first, bytes: pair.value))
        }
        return blocks
    }

    /// The number at which the newest block begins that begins at or below a number.
    ///
    /// A block holds at most 1,024 events, so only that many keys are looked at; nil where none is among them.
    package func newestBlockStart(
        atOrBelow number: SequenceNumber
    ) async throws(LedgerStoreError) -> SequenceNumber? {
        let reach = UInt64(Block.maxEntries - 1)
        let lowest = SequenceNumber(number.rawValue > reach ? number.rawValue - reach : 1)
        let bounds = keys.blocks(lowest...max(lowest, number))
        let request = EtcdRangeRequest(
            key: bounds.key, rangeEnd: bounds.rangeEnd, keysOnly: true)
        return try await range(request).kvs.last.flatMap {
            keys.blockNumber($0.key)
        }
    }

    // MARK: Segments and tiles

    /// Stored ids segments `from` up to but excluding `end`, at most `limit` of them.
    package func segments(
        from: UInt64, end: UInt64, limit: Int
    ) async throws(LedgerStoreError) -> [StoredSegment] {
        let request = EtcdRangeRequest(
            key: keys.ids(from), rangeEnd: keys.ids(end), limit: Int64(limit))
        return try await range(request).kvs.map { StoredSegment(key: $0.key, bytes: $0.value) }
    }

    /// Stored tiles of one level, `from` up to but excluding `end`, at most `limit` of them.
    package func tiles(
        level: Int, from: UInt64, end: UInt64, limit: Int
    ) async throws(LedgerStoreError) -> [Tile] {
        let request = EtcdRangeRequest(
            key: keys.tile(TileID(level: level, index: from)),
            rangeEnd: keys.tile(TileID(level: level, index: end)), limit: Int64(limit))
        let pairs = try await range(request).kvs
        var tiles: [Tile] = []
        for (offset, pair) in pairs.enumerated() {
            let id = TileID(level: level, index: from + UInt64(offset))
            guard pair.key == keys.tile(id) else {
                throw .inconsistent(.malformed("tile \(id.level)/\(id.index) is missing"))
            }
            do throws(FormatError) {
                tiles.append(try Tile(id: id, bytes: pair.value))
            } catch {
                throw .inconsistent(.malformed("tile \(id.level)/\(id.index): \(error.message)"))
            }
        }
        return tiles
    }

    /// One tile's stored bytes, whatever they are, or nil when there is no such tile.
    package func tile(
        _ id: TileID, serializable: Bool = false
    ) async throws(LedgerStoreError) -> [UInt8]? {
        let request = EtcdRangeRequest(key: keys.tile(id), serializable: serializable)
        return try await range(request, .block).kvs.first?.value
    }

    /// Stored tiles of one level as they are, `from` and later, a page of them.
    package func tileValues(
        level: Int, from: UInt64, sizer: inout PageSizer
    ) async throws(LedgerStoreError) -> [(TileID, [UInt8])] {
        let bounds = keys.tiles(level: level, from: from)
        let pairs = try await sizer.page(bytes: \.value.count) {
            limit async throws(LedgerStoreError) in
            let request = EtcdRangeRequest(
                key: bounds.key, rangeEnd: bounds.rangeEnd, limit: Int64(limit))
            return try await range(request).kvs
        }
        return pairs.compactMap { pair in keys.tileID(pair.key).map { ($0, pair.value) } }
    }

    // MARK: Performing

    private func range(
        _ request: EtcdRangeRequest, _ kind: BulkReads.Kind = .page
    ) async throws(LedgerStoreError) -> EtcdRangeResponse {
        var request = request
        if source != nil { request.serializable = true }
        do throws(EtcdError) {
            guard let bulk else {
                return try await store.range(request, options: attentive(only: source))
            }
            return try await bulk.range(
                request, kind, priority, options: EtcdRequestOptions(only: source))
        } catch {
            throw .unavailable(error)
        }
    }

    func perform(
        _ transaction: EtcdTransaction, timeout: Duration?
    ) async throws(LedgerStoreError) -> EtcdTransactionResponse {
        let asked = members?.now
        do throws(EtcdError) {
            let response = try await store.transaction(
                transaction, options: attentive(timeout, only: source))
            // What a member has by itself does not show that it works together with the others.
            if source == nil { members?.answered(response.header, askedAt: asked) }
            return response
        } catch {
            throw .unavailable(error)
        }
    }

    /// For a request that no member is to have that keeps a transmission.
    func attentive(
        _ timeout: Duration? = nil, only member: EtcdEndpoint? = nil
    ) -> EtcdRequestOptions {
        EtcdRequestOptions(timeout: timeout, avoiding: members?.avoided ?? [], only: member)
    }
}

/// A segment of the id index as it is stored.
package struct StoredSegment: Hashable, Sendable {
    package let key: [UInt8]
    package let bytes: [UInt8]
}
