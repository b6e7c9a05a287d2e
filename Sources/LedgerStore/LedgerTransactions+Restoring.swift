package import EtcdGateway
package import LedgerCore

/// Restoring events that a store has lost (protocol.md 27).
extension LedgerTransactions {
    /// Puts again what was sealed, under the comparisons of a sealing transaction.
    ///
    /// - Parameters:
    ///   - step: what is put, which continues the observed head.
    ///   - beginning: for a store without a ledger whose older events stay in the archive: what says so, put together with
    ///     the first step. Nil where the store has all events before the step.
    ///   - present: tiles of the step that must be there already as they are to be, and are not put.
    package func restoring(
        _ step: LedgerRestoration.Step, on base: LedgerObservation,
        beginning: TrimmedBeginning? = nil, over present: Set<TileID> = []
    ) -> EtcdTransaction {
        var immutable: [(key: [UInt8], value: [UInt8])] = step.blocks.map {
            (keys.block($0.first), $0.bytes)
        }
        immutable += step.segments.map { (keys.ids($0.number), $0.value) }
        let (there, missing) = (
            step.tiles.filter { present.contains($0.id) },
            step.tiles.filter { !present.contains($0.id) }
        )
        immutable += missing.map { (keys.tile($0.id), $0.bytes) }
        var transaction = appending(
            immutable, head: step.head, step.head.encodedJSON(), on: base,
            format: beginning == nil ? nil : .two)
        transaction.compares += there.map { .value(key: keys.tile($0.id), equals: $0.bytes) }
        guard let beginning else { return transaction }
        transaction.compares += [
            .createRevision(key: keys.archive, equals: 0),
            .createRevision(key: keys.archivedIds, equals: 0),
        ]
        transaction.success += [
            .put(key: keys.archive, value: beginning.archive.encodedJSON()),
            .put(key: keys.archivedIds, value: beginning.ids.encodedJSON()),
        ]
        return transaction
    }

    /// Puts tiles of a ledger that has yet to begin.
    package func restoring(_ tiles: [Tile]) -> EtcdTransaction {
        EtcdTransaction(
            compares: [
                .createRevision(key: keys.counter, equals: 0),
                .createRevision(key: keys.head, equals: 0),
            ], success: tiles.map { .put(key: keys.tile($0.id), value: $0.bytes) })
    }
}

/// What a ledger begins with whose older events are in the archive alone.
package struct TrimmedBeginning: Sendable {
    package let archive: ArchiveRecord
    package let ids: SegmentsDigest

    package init(archive: ArchiveRecord, ids: SegmentsDigest) {
        self.archive = archive
        self.ids = ids
    }
}
