import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import ObjectStorage
import Synchronization

/// What a round writes before its checkpoint.
extension Archiver {
    /// Writes all objects of a plan: entries with their tiles and the ids segments as they are read, then the tiles of
    /// higher levels.
    func write(_ plan: ArchivePlan) async throws(ArchiveFailure) {
        let writer = ArchiveWriter(objects: objects)
        var walk = try EntryWalk(
            store, from: plan.from, to: plan.size,
            continuing: state.withLock { $0.segment }, blockStart: blockStart)
        var pace = RoundPace(
            bundles: plan.bundles.count, interval: settings.interval, at: clock.now)
        try await WritingGroup.run { () async throws(ArchiveFailure) in
            while let item = try await walk.next() {
                guard !self.view().isFenced, !Task.isCancelled else { throw .interrupted }
                switch item {
                case .bundle(let bundle):
                    // A walk may begin earlier, where the open ids segment begins.
                    guard bundle.index >= plan.bundles.lowerBound else { continue }
                    // Where the wait is cut short by a stop, the next look at it ends the round.
                    let pause = pace.pause(at: self.clock.now)
                    if pause > .zero { try? await self.clock.sleep(for: pause) }
                    return (
                        bundle.bytes.count + bundle.leaves.count,
                        { () async throws(ArchiveFailure) in
                            try await self.write(bundle, of: plan, writer)
                        }
                    )
                case .segment(let segment):
                    return (
                        IdSegment.byteCount,
                        { () async throws(ArchiveFailure) in
                            try await self.write(segment, writer)
                        }
                    )
                }
            }
            return nil
        }
        let segment = walk.segment
        state.withLock { $0.segment = segment }
        try await writeHigherTiles(of: plan, writer)
    }

    /// Entries go out only together with the leaf hashes that lead to the tree's root.
    private func write(
        _ bundle: EntryWalk.Bundle, of plan: ArchivePlan, _ writer: ArchiveWriter
    ) async throws(ArchiveFailure) {
        let id = TileID(level: 0, index: bundle.index)
        let leaves = try await tile(id, of: plan)
        guard leaves == bundle.leaves else {
            throw .contradicted(
                "the stored events of tile 0/\(bundle.index) are not those of the tree")
        }
        let width = bundle.width
        try await writer.put(ArchiveNames.tile(id, width: width), leaves)
        try await writer.put(ArchiveNames.bundle(bundle.index, width: width), bundle.bytes)
    }

    /// A segment is no part of the tree: it is made of the entries, and must be what etcd has.
    private func write(
        _ segment: IdSegment, _ writer: ArchiveWriter
    ) async throws(ArchiveFailure) {
        let bytes = segment.bytes
        let stored: [UInt8]?
        do throws(LedgerStoreError) {
            stored = try await store.segments(
                from: segment.number, end: segment.number + 1, limit: 1
            ).first?.bytes
        } catch {
            throw .ledger(error)
        }
        guard stored == bytes else {
            throw .contradicted(
                "the stored ids segment \(segment.number) is not that of the stored events")
        }
        try await writer.put(ArchiveNames.segment(segment.number), bytes)
    }

    private func writeHigherTiles(
        of plan: ArchivePlan, _ writer: ArchiveWriter
    ) async throws(ArchiveFailure) {
        var ids: [TileID] = []
        for level in 1..<max(1, plan.levels) {
            ids += plan.tiles(level: level).map { TileID(level: level, index: $0) }
        }
        var rest = ids[...]
        try await WritingGroup.run { () async throws(ArchiveFailure) in
            guard let id = rest.popFirst() else { return nil }
            guard !self.view().isFenced, !Task.isCancelled else { throw .interrupted }
            return (
                Tile.byteCount,
                { () async throws(ArchiveFailure) in
                    let bytes = try await self.tile(id, of: plan)
                    let width = plan.width(level: id.level, index: id.index)
                    try await writer.put(ArchiveNames.tile(id, width: width), bytes)
                }
            )
        }
    }

    /// A tile as the plan's size has it, verified.
    private func tile(_ id: TileID, of plan: ArchivePlan) async throws(ArchiveFailure) -> [UInt8] {
        let width = plan.width(level: id.level, index: id.index)
        do throws(TreeError) {
            if let bytes = try await tree.tile(id, width: width, size: plan.size) { return bytes }
        } catch {
            throw .tree(error)
        }
        throw .contradicted("the tree of size \(plan.size) has no tile \(id.level)/\(id.index)")
    }

    // MARK: What is superseded

    /// Partial objects of the log that was there are removed a while after the larger log's checkpoint.
    func supersede(_ plan: ArchivePlan) {
        let due = clock.now + Self.partialGrace
        let names = plan.superseded.map { ArchiveNames.tile($0) }
        state.withLock { state in
            let room = max(0, Self.mostSuperseded - state.superseded.count)
            state.superseded += names.prefix(room).map { ($0, due) }
        }
    }

    /// Removes partial objects whose time has come; what fails is left, for it harms nobody.
    package func removeSuperseded() async {
        let now = clock.now
        let due = state.withLock { state in
            let due = state.superseded.filter { $0.due <= now }.map(\.name)
            state.superseded.removeAll { $0.due <= now }
            return due
        }
        guard !due.isEmpty, !view().isFenced else { return }
        // Of the log that is published now nothing may go, whatever was published meanwhile.
        guard let there = try? await archived.read() else { return }
        let needed = Set(
            ArchivePlan.partials(size: there.checkpoint.size).map { ArchiveNames.tile($0) })
        for name in due where !needed.contains(name) { try? await objects.remove(name) }
    }
}
