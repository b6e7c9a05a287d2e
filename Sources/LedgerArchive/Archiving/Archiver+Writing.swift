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
    ///
    /// What a round that failed had written, each object read back, is not written again: or a long one, that meets
    /// one member of etcd's which does not answer, would begin with the first event again, and never come to its end.
    func write(_ plan: ArchivePlan) async throws(ArchiveFailure) {
        let writer = ArchiveWriter(objects: objects)
        let segment = state.withLock { $0.segment }
        let from = try await beginning(of: plan)
        var walk = try EntryWalk(
            store, from: from, to: plan.size, continuing: segment, blockStart: blockStart)
        // A walk may begin earlier, where the open ids segment begins.
        let firstBundle = from / UInt64(TileID.width)
        var pace = RoundPace(
            bundles: Int(clamping: plan.bundles.upperBound - firstBundle),
            interval: settings.interval, at: clock.now)
        var noted: IdSegment?
        repeat {
            noted = nil
            try await WritingGroup.run { () async throws(ArchiveFailure) in
                while noted == nil, let item = try await walk.next() {
                    guard !self.view().isFenced, !Task.isCancelled else { throw .interrupted }
                    switch item {
                    case .bundle(let bundle):
                        guard bundle.index >= firstBundle else { continue }
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
                        if (segment.number + 1).isMultiple(of: Self.notedSegments) {
                            noted = segment
                        }
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
            if let noted {
                let part = WrittenPart(from: plan.from, last: noted)
                state.withLock { $0.written = part }
            }
        } while noted != nil
        let last = walk.segment
        state.withLock { $0.segment = last }
        try await writeHigherTiles(of: plan, writer)
    }

    /// Where the part of a plan begins that is still to be written. Who has emptied the storage meanwhile has not left the
    /// last segment there.
    private func beginning(of plan: ArchivePlan) async throws(ArchiveFailure) -> UInt64 {
        guard let written = state.withLock({ $0.written }), let end = written.end(of: plan)
        else { return plan.from }
        let last: [UInt8]?
        do throws(ObjectStoreError) {
            last = try await objects.read(
                ArchiveNames.segment(written.last.number), maximum: IdSegment.byteCount)
        } catch {
            guard error.kind == .tooLarge else { throw .storage(error) }
            last = nil
        }
        return last == written.last.bytes ? end : plan.from
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

    /// Partial objects of the log that was there are removed a while after the full ones are published.
    func supersede(_ plan: ArchivePlan) {
        let due = clock.now + Self.partialGrace
        state.withLock { state in
            let room = max(0, Self.mostSuperseded - state.superseded.count)
            state.superseded += plan.superseded.prefix(room).map { ($0, nil) }
            for place in state.superseded.indices where state.superseded[place].due == nil {
                let full = ArchiveObject.tile(state.superseded[place].path.full)
                if !full.isBehind(plan.size) { state.superseded[place].due = due }
            }
        }
    }

    /// Removes partial objects whose time has come; what fails is left, for it harms nobody.
    package func removeSuperseded() async {
        let now = clock.now
        let isDue = { (due: MonotonicInstant?) in due.map { $0 <= now } ?? false }
        let due = state.withLock { state in
            let due = state.superseded.filter { isDue($0.due) }.map(\.path)
            state.superseded.removeAll { isDue($0.due) }
            return due
        }
        guard !due.isEmpty, !view().isFenced else { return }
        // Of the log that is published now nothing may go, whatever was published meanwhile.
        guard let there = try? await archived.read() else { return }
        let size = there.checkpoint.size
        for path in due where !ArchiveObject.tile(path.full).isBehind(size) {
            try? await objects.remove(ArchiveNames.tile(path))
        }
    }
}

/// Objects that were written and read back, but are of no published log yet: those of whole ids segments.
struct WrittenPart: Sendable {
    /// The size of the log that was there.
    let from: UInt64
    /// The last of them.
    let last: IdSegment

    /// Up to where a plan's objects are there already, less than all of them; nil where nothing is known that helps.
    func end(of plan: ArchivePlan) -> UInt64? {
        let width = UInt64(IdSegment.width)
        let end = (last.number + 1) * width
        let usable = end < plan.size ? end : end - width
        return from <= plan.from && plan.from < usable && end <= plan.size ? usable : nil
    }
}
