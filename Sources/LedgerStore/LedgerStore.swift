package import EtcdGateway
package import LedgerCore

/// The ledger's keys in etcd: reads of the head, of blocks, segments and tiles.
package struct LedgerStore: Sendable {
    package let store: any KeyValueStore
    package let transactions: LedgerTransactions
    /// Where more than a head is read; nil reads it where everything is read.
    package let bulk: BulkReads?
    private var priority = Places.Priority.ordinary

    package var keys: LedgerKeys { transactions.keys }

    package init(store: any KeyValueStore, keys: LedgerKeys, bulk: BulkReads? = nil) {
        self.store = store
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

    // MARK: Head

    /// Counter, head and hint as one linearizable transaction showed them.
    package struct Observed: Sendable {
        package let observation: LedgerObservation
        package let hint: HintReading?
        package let header: EtcdResponseHeader
    }

    /// Reads counter and head in one transaction.
    ///
    /// - Parameter serializable: as one member has them, which may be behind; answered without a quorum. Nothing may be
    ///   sealed on it, and it proves no absence.
    package func observe(
        serializable: Bool = false, options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> Observed {
        let response = try await perform(
            transactions.observing(serializable: serializable), options: options)
        return Observed(
            observation: try transactions.observation(from: response),
            hint: transactions.hint(ofRead: response), header: response.header)
    }

    /// Reads counter and head, and whether a block exists beyond that head.
    ///
    /// A transaction shows all of it at one moment, but the number to look beyond must be known before it: where
    /// the head has moved in between, it is asked again.
    package func observeBeyond(
        options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> (
        observation: LedgerObservation, firstBeyond: SequenceNumber?
    ) {
        var known = try await observe(options: options).observation
        while true {
            let response = try await perform(
                transactions.observing(firstBlockKeyAfter: known.head.sequence), options: options)
            let now = try transactions.observation(from: response)
            if now == known {
                let key = response.range(4)?.kvs.first?.key
                return (now, key.flatMap { keys.blockNumber($0) })
            }
            known = now
        }
    }

    // MARK: Blocks

    /// One block's stored bytes, or nil when no block begins at that number.
    package func block(
        first: SequenceNumber, serializable: Bool, options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> [UInt8]? {
        let request = EtcdRangeRequest(
            key: keys.block(first), serializable: serializable)
        return try await range(request, .block, options: options).kvs.first?.value
    }

    /// Stored blocks in ascending order, beginning with the first that starts at `from` or later and ending
    /// before the first that starts beyond `through`.
    ///
    /// Immutable keys are read without pinning a revision, which could be compacted away (PROTOCOL.md 24).
    package func blocks(
        from: SequenceNumber, through: SequenceNumber, limit: Int, serializable: Bool = false,
        options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> [StoredBlock] {
        let bounds = keys.blocks(from...through)
        let request = EtcdRangeRequest(
            key: bounds.key, rangeEnd: bounds.rangeEnd,
            limit: Int64(limit), serializable: serializable)
        var blocks: [StoredBlock] = []
        for pair in try await range(request, options: options).kvs {
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
        atOrBelow number: SequenceNumber, options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> SequenceNumber? {
        let reach = UInt64(Block.maxEntries - 1)
        let lowest = SequenceNumber(number.rawValue > reach ? number.rawValue - reach : 1)
        let bounds = keys.blocks(lowest...max(lowest, number))
        let request = EtcdRangeRequest(
            key: bounds.key, rangeEnd: bounds.rangeEnd, keysOnly: true)
        return try await range(request, options: options).kvs.last.flatMap {
            keys.blockNumber($0.key)
        }
    }

    // MARK: Segments and tiles

    /// Stored ids segments `from` up to but excluding `end`, at most `limit` of them.
    package func segments(
        from: UInt64, end: UInt64, limit: Int, serializable: Bool = false,
        options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> [EtcdKeyValue] {
        let request = EtcdRangeRequest(
            key: keys.ids(from), rangeEnd: keys.ids(end), limit: Int64(limit),
            serializable: serializable)
        return try await range(request, options: options).kvs
    }

    /// Stored tiles of one level, `from` up to but excluding `end`, at most `limit` of them.
    package func tiles(
        level: Int, from: UInt64, end: UInt64, limit: Int, serializable: Bool = false,
        options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> [Tile] {
        let request = EtcdRangeRequest(
            key: keys.tile(TileID(level: level, index: from)),
            rangeEnd: keys.tile(TileID(level: level, index: end)), limit: Int64(limit),
            serializable: serializable)
        let pairs = try await range(request, options: options).kvs
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

    /// Stored tiles of one level as they are, `from` and later, a page of them.
    package func tileValues(
        level: Int, from: UInt64, sizer: inout PageSizer
    ) async throws(LedgerStoreError) -> [(TileID, [UInt8])] {
        let bounds = keys.tiles(level: level, from: from)
        let pairs = try await sizer.page(bytes: \.value.count) {
            limit async throws(LedgerStoreError) in
            let request = EtcdRangeRequest(
                key: bounds.key, rangeEnd: bounds.rangeEnd, limit: Int64(limit))
            return try await range(request, options: .init()).kvs
        }
        return pairs.compactMap { pair in keys.tileID(pair.key).map { ($0, pair.value) } }
    }

    // MARK: Performing

    private func range(
        _ request: EtcdRangeRequest, _ kind: BulkReads.Kind = .page, options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> EtcdRangeResponse {
        do throws(EtcdError) {
            guard let bulk else { return try await store.range(request, options: options) }
            return try await bulk.range(request, kind, priority, options: options)
        } catch {
            throw .unavailable(error)
        }
    }

    private func perform(
        _ transaction: EtcdTransaction, options: EtcdRequestOptions
    ) async throws(LedgerStoreError) -> EtcdTransactionResponse {
        do throws(EtcdError) {
            return try await store.transaction(transaction, options: options)
        } catch {
            throw .unavailable(error)
        }
    }
}

/// A block as it is stored: the number in its key, and its value.
package struct StoredBlock: Hashable, Sendable {
    package let first: SequenceNumber
    package let bytes: [UInt8]

    package init(first: SequenceNumber, bytes: [UInt8]) {
        self.first = first
        self.bytes = bytes
    }
}
