package import LedgerCore
package import LedgerStore

/// Decides what leaves etcd, and when; pure.
///
/// A round looks at the ledger and at the key `archive`. What was trimmed before and is still there is deleted first:
/// whoever was to do that may have been killed. Then the objects of the next segments are read back from the archive,
/// `trimmed` is raised by compare-and-swap, and only then keys are deleted, in steps that compare the very `archive`
/// that allows it (protocol.md 26). Every answer may be lost: what was not heard of is looked at again, and deleting
/// twice does no harm.
package struct TrimMachine: Sendable {
    /// What one look showed.
    package struct View: Hashable, Sendable {
        package var head: Head
        package var format: LedgerFormat
        /// Whether a fence stands that no operator has decided about: nothing is trimmed then.
        package var isFenced: Bool
        package var archive: LedgerStore.StoredArchive?
        /// What the segments below `trimmed` were, and the revision at which that was put.
        package var digest: SegmentsDigest
        package var digestRevision: Revision

        package init(
            head: Head, format: LedgerFormat, isFenced: Bool = false,
            archive: LedgerStore.StoredArchive?, digest: SegmentsDigest, digestRevision: Revision
        ) {
            self.head = head
            self.format = format
            self.isFenced = isFenced
            self.archive = archive
            self.digest = digest
            self.digestRevision = digestRevision
        }
    }

    /// What is done next; each is one question, and its answer comes back.
    package enum Action: Hashable, Sendable {
        case wait(Nanoseconds)
        case look
        /// Read these ids segments, and all objects of their events, back from the archive, and check them.
        case readBack(Range<UInt64>)
        case raise(LedgerStore.Trim)
        /// Find where the newest block begins that begins at or below this number.
        case findBlock(atOrBelow: SequenceNumber)
        case list(LedgerKeys.Range, limit: Int)
        case delete(LedgerKeys.Range, allowedBy: LedgerStore.StoredArchive)
    }

    /// What is deleted, in this order: blocks ascending, so that what is left of them has no gap.
    private enum Kind: Int, CaseIterable {
        case blocks, segments, leafTiles, tiles
    }

    /// Keys that are being deleted.
    private struct Sweep {
        var archive: LedgerStore.StoredArchive
        /// The number of events when the round looked: it tells which tiles have a full parent.
        let size: UInt64
        var kind = Kind.blocks
        /// Where the first block begins that stays.
        var firstKept: SequenceNumber?

        var trimmed: SequenceNumber { archive.record.trimmed }
    }

    private enum State {
        case resting
        case looking
        case readingBack(View, Range<UInt64>)
        case raising(View)
        case sweeping(Sweep)
    }

    package let settings: TrimSettings
    private let keys: LedgerKeys
    private var state = State.resting
    /// Up to where this process knows that all has been deleted.
    private var swept: SequenceNumber = .zero
    /// How many segments are read back before the next raise. Where more is archived while they are read, the raise is in
    /// vain: then fewer at once, down to one.
    private var segmentsAtOnce: UInt64
    private var failuresInARow: Int64 = 0
    package private(set) var status = TrimStatus()

    package init(settings: TrimSettings, keys: LedgerKeys) {
        self.settings = settings
        self.keys = keys
        segmentsAtOnce = settings.segmentsAtOnce
    }

    // MARK: Looking

    /// The time has come.
    package mutating func woke() -> Action {
        switch state {
        case .sweeping(let sweep): return next(of: sweep)
        case .resting, .looking, .readingBack, .raising:
            state = .looking
            return .look
        }
    }

    /// The ledger was looked at.
    package mutating func looked(_ view: View) -> Action {
        guard case .looking = state else { return rest() }
        guard let retained = settings.retainedEvents, let archive = view.archive, !view.isFenced
        else { return rest() }
        status.trimmed = archive.record.trimmed
        guard archive.record.location == settings.location else {
            return trouble(
                "the ledger is archived in \(archive.record.location), not in LEDGER_ARCHIVE")
        }
        let segments = archive.record.trimmed.rawValue / ArchiveRecord.trimStep
        guard view.digest.count == segments else {
            // The two are read one after another: another one may have trimmed in between.
            return trouble(
                "archived_ids covers \(view.digest.count) segments, and \(segments) are trimmed")
        }
        if swept < archive.record.trimmed {
            return sweep(Sweep(archive: archive, size: view.head.sequence.rawValue))
        }
        let size = view.head.sequence.rawValue
        let most = min(archive.record.through.rawValue, size - min(size, retained))
        let end = min(most / ArchiveRecord.trimStep, segments + segmentsAtOnce)
        guard end > segments else {
            succeeded()
            return rest()
        }
        state = .readingBack(view, segments..<end)
        return .readBack(segments..<end)
    }

    // MARK: Raising

    /// The objects were read back, and are what is in etcd: the digests of the first of these segments, or of all.
    package mutating func haveReadBack(_ digests: [Digest]) -> Action {
        guard case .readingBack(let view, let segments) = state, let archive = view.archive,
            (1...segments.count).contains(digests.count)
        else { return rest() }
        let end = segments.lowerBound + UInt64(digests.count)
        var digest = view.digest
        for segment in digests { digest.append(segment) }
        do throws(FormatError) {
            let trim = LedgerStore.Trim(
                record: try ArchiveRecord(
                    location: archive.record.location, through: archive.record.through,
                    trimmed: SequenceNumber(end * ArchiveRecord.trimStep)),
                digest: digest, replacing: archive, replacedDigest: view.digestRevision,
                format: view.format)
            state = .raising(view)
            return .raise(trim)
        } catch {
            return trouble(error.message)
        }
    }

    /// `trimmed` was raised, or not.
    package mutating func raised(
        _ result: LedgerStore.ArchiveWriting<LedgerStore.StoredArchive>
    ) -> Action {
        guard case .raising(let view) = state else { return rest() }
        switch result {
        case .done(let archive):
            succeeded()
            segmentsAtOnce = min(2 * segmentsAtOnce, settings.segmentsAtOnce)
            status.trimmed = archive.record.trimmed
            return sweep(Sweep(archive: archive, size: view.head.sequence.rawValue))
        case .superseded:
            // Somebody has archived or trimmed more meanwhile. What was read back is read back again: whatever
            // changed, a raise stands on what was seen before it.
            guard segmentsAtOnce > 1 else {
                return trouble("more is archived while one ids segment's events are read back")
            }
            segmentsAtOnce /= 2
            state = .looking
            return .look
        case .unknown: return trouble("etcd did not say whether events may be trimmed")
        case .refused: return trouble("etcd has not taken the trimmed number")
        }
    }

    // MARK: Deleting

    private mutating func sweep(_ sweep: Sweep) -> Action {
        state = .sweeping(sweep)
        return next(of: sweep)
    }

    private func next(of sweep: Sweep) -> Action {
        if sweep.kind == .blocks, sweep.firstKept == nil {
            return .findBlock(atOrBelow: sweep.trimmed.next)
        }
        return .list(range(of: sweep), limit: settings.keysAtOnce)
    }

    /// What may be deleted of one kind (formats.md, "Archive").
    private func range(of sweep: Sweep) -> LedgerKeys.Range {
        let trimmed = sweep.trimmed.rawValue
        switch sweep.kind {
        case .blocks:
            // A block ends where the next begins. The one that begins last at or below the number after `trimmed`
            // begins right after it, or reaches beyond `trimmed`: all before it end at or below `trimmed`.
            return LedgerKeys.Range(
                key: keys.block(.first), rangeEnd: keys.block(sweep.firstKept ?? .first))
        case .segments:
            return LedgerKeys.Range(
                key: keys.ids(0), rangeEnd: keys.ids(trimmed / ArchiveRecord.trimStep))
        case .leafTiles: return tiles(level: 0, end: trimmed >> 8)
        case .tiles:
            // With a full parent only: the others are the tree's edge, which whoever starts needs.
            return tiles(level: 1, end: min(trimmed >> 16, (sweep.size >> 24) << 8))
        }
    }

    private func tiles(level: Int, end: UInt64) -> LedgerKeys.Range {
        LedgerKeys.Range(
            key: keys.tile(TileID(level: level, index: 0)),
            rangeEnd: keys.tile(TileID(level: level, index: end)))
    }

    /// Where the newest block begins that begins at or below the number after `trimmed`; nil where etcd has none.
    package mutating func found(block: SequenceNumber?) -> Action {
        guard case .sweeping(var sweep) = state, sweep.kind == .blocks else { return rest() }
        // Nothing was sealed above `trimmed` yet: what is there may reach beyond, for all that is known.
        sweep.firstKept = block ?? .first
        return self.sweep(sweep)
    }

    /// The lowest keys of what may be deleted.
    package mutating func listed(_ found: [[UInt8]]) -> Action {
        guard case .sweeping(var sweep) = state else { return rest() }
        if let first = found.first, let last = found.last {
            // Up to the last of them: nobody writes keys there any more.
            return .delete(
                LedgerKeys.Range(key: first, rangeEnd: last + [0]), allowedBy: sweep.archive)
        }
        guard let next = Kind(rawValue: sweep.kind.rawValue + 1) else {
            swept = sweep.trimmed
            state = .looking
            return .look
        }
        sweep.kind = next
        return self.sweep(sweep)
    }

    /// Keys were deleted, or not.
    ///
    /// - Parameter took: how long etcd worked on it.
    package mutating func deleted(
        _ result: LedgerStore.ArchiveWriting<Int64>, took: Nanoseconds
    ) -> Action {
        guard case .sweeping(var sweep) = state else { return rest() }
        switch result {
        case .done(let count):
            succeeded()
            status.deletedKeys += count
            // Etcd has as much time for others in between as this took.
            return .wait(max(took, settings.shortestPause))
        case .superseded(let now?) where now.record.trimmed >= sweep.trimmed:
            // More was archived meanwhile, or trimmed: what that allows is looked up from the beginning.
            sweep = Sweep(archive: now, size: sweep.size)
            return self.sweep(sweep)
        case .superseded:
            // etcd was set back. Nothing that was known before counts.
            swept = .zero
            state = .looking
            return .look
        case .unknown: return .wait(settings.interval)
        case .refused: return trouble("etcd has not deleted what is trimmed")
        }
    }

    // MARK: Ends of rounds

    /// Something could not be read, or is not what it must be: nothing is done until it is.
    package mutating func failed(_ reason: String) -> Action { trouble(reason) }

    private mutating func succeeded() {
        failuresInARow = 0
        status.trouble = nil
    }

    private mutating func trouble(_ reason: String) -> Action {
        failuresInARow += 1
        status.failures += 1
        // A race, or a moment without an answer, is no trouble.
        if failuresInARow >= settings.failuresBeforeTrouble { status.trouble = reason }
        return rest()
    }

    private mutating func rest() -> Action {
        state = .resting
        return .wait(settings.interval)
    }
}
