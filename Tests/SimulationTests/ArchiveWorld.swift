import EtcdGateway
import LedgerArchive
import LedgerCore
import LedgerStore
import LedgerTransparency
import Logging

/// A ledger that is sealed, archived, trimmed, read and restored, all at once: whoever takes the next step is left to
/// chance, and between the requests of one step others take theirs. Requests fail before or after they applied.
///
/// `@unchecked Sendable`: one task at a time uses it.
final class ArchiveWorld: @unchecked Sendable {
    enum Actor: Hashable, CaseIterable {
        case sealer, archiver, otherArchiver, trimmer, otherTrimmer
        case reader, otherReader, copyReader, loader, member, keeper, storage
    }

    let ledger: PreparedLedger
    let chooser: any Chooser
    let etcd = SimulatedEtcd()
    let objects: LyingObjects
    /// A member of etcd that is behind.
    let copy = SimulatedEtcd()
    private(set) var violations: [String] = []
    /// How many batches are sealed.
    private(set) var sealed = 0
    private(set) var steps: [Actor: Int] = [:]
    private var busy: Set<Actor> = []
    private var trimmers: [Actor: (trimmer: Trimmer, next: TrimMachine.Action)] = [:]
    private var archivers: [Actor: SimulatedArchiver] = [:]
    private var sleeping: [Actor: Int] = [:]
    private var backups: [(contents: SimulatedEtcd.Contents, sealed: Int)] = []
    private var lastRead: LedgerStore?
    /// Up to where events were ever trimmed, before any restore.
    private var mostTrimmed = SequenceNumber.zero
    private var rotten: Set<SimulatedArchive.Name> = []
    /// The key `archive` as it was seen last.
    private var record: ArchiveRecord?
    /// The revision whose keys were looked at last.
    private var checked: Int64 = 0
    /// Nothing is restored, and nobody crashes or sleeps, from now on.
    var isCalm = false
    private static let mostSegmentsAtOnce = 2
    var restores = 0

    var keys: LedgerKeys { ledger.keys }
    var head: SequenceNumber { ledger.batches[sealed - 1].last }

    /// - Parameter sealed: so many batches are sealed from the beginning.
    init(_ ledger: PreparedLedger, sealed: Int, chooser: any Chooser) {
        self.ledger = ledger
        self.chooser = chooser
        objects = LyingObjects(chooser: chooser)
        etcd.put(ledger.keys.format, LedgerFormat.one.value)
        for _ in 0..<sealed { seal() }
        copy.snapshot = etcd.snapshot
        objects.before = { [unowned self] in await interleave() }
    }

    func broken(_ what: String) { violations.append(what) }

    private func number(_ range: ClosedRange<Int>) -> Int {
        Int(chooser.number(in: Int64(range.lowerBound)...Int64(range.upperBound)))
    }

    // MARK: Turns

    /// Lets somebody take a step.
    func step() async {
        // What is begun comes to its end; who reads has read enough.
        let actors =
            isCalm
            ? [Actor.sealer, .archiver, .otherArchiver, .trimmer, .otherTrimmer] : Actor.allCases
        await step(of: actors[number(0...actors.count - 1)])
    }

    func interleave() async {
        if number(0...11) == 0 { await step() }
    }

    private func step(of actor: Actor) async {
        if let left = sleeping[actor], left > 0, !isCalm {
            sleeping[actor] = left - 1
            return
        }
        guard busy.insert(actor).inserted else { return }
        defer { busy.remove(actor) }
        steps[actor, default: 0] += 1
        switch actor {
        case .sealer: if sealed < ledger.batches.count, number(0...3) == 0 || isCalm { seal() }
        case .archiver, .otherArchiver: await archive(as: actor)
        case .trimmer, .otherTrimmer: await trim(as: actor)
        case .reader, .otherReader: await read(as: actor)
        case .copyReader: await readCopy()
        case .loader: await load()
        case .member: if number(0...2) == 0 { copy.snapshot = etcd.snapshot }
        case .keeper: keepBackups()
        case .storage:
            if number(0...9) == 0 { mend() }
            rot()
        }
        check()
    }

    private func seal() {
        _ = etcd.apply(EtcdTransaction(success: ledger.batches[sealed].puts))
        sealed += 1
    }

    // MARK: Archiving and trimming

    /// A store in which requests fail, and between whose requests others take steps. It reads one object at a time,
    /// so that a seed gives the same world again.
    func store(archived: (any ArchivedPast)?, fails: Bool = true) -> LedgerStore {
        var store = LedgerStore(
            store: TroubledStore(self, fails: fails), keys: keys,
            members: EtcdMembers(endpoints: [SimulatedEtcd.endpoint]) {
                MonotonicInstant(nanoseconds: 0)
            }, archived: archived)
        store.objectsAtOnce = 1
        return store
    }

    private func archive(as actor: Actor) async {
        if !isCalm, number(0...99) == 0 { archivers[actor] = nil }
        let archiver =
            archivers[actor] ?? SimulatedArchiver(store: store(archived: nil), world: self)
        archivers[actor] = archiver
        await archiver.step()
    }

    private func trim(as actor: Actor) async {
        if !isCalm, number(0...39) == 0 { trimmers[actor] = nil }
        var current = trimmers[actor] ?? (trimmer: makeTrimmer(), next: .wait(.zero))
        current.next = await current.trimmer.perform(current.next)
        trimmers[actor] = current
        // It is paused with what it was about to do, most of all where that stands on a record that others raise.
        let isRaising = if case .raise = current.next { true } else { false }
        if !isCalm, number(0...(isRaising ? 1 : 29)) == 0 { sleeping[actor] = number(5...80) }
    }

    private func makeTrimmer() -> Trimmer {
        let store = store(archived: LyingArchive(objects: objects, known: ledger.objects))
        let tree = TreeReader(
            store: store,
            tree: { [unowned self] in
                ledger.batches[sealed - 1].tiles
            })
        var settings = TrimSettings(
            location: SimulatedArchive.location, retainedEvents: TrimSettings.leastRetained)
        settings.segmentsAtOnce = UInt64(number(1...Self.mostSegmentsAtOnce))
        settings.keysAtOnce = 5
        return Trimmer(
            settings: settings, store: store,
            archive: ArchiveReadBack(
                store: store, archive: LyingArchive(objects: objects, known: nil), tree: tree,
                bundlesAtOnce: 1),
            clock: NoTime(), logger: Logger(label: "trimmer") { _ in SwiftLogNoOpLogHandler() },
            isWanted: { true })
    }

    var trimmerTrouble: [String] { trimmers.values.compactMap { $0.trimmer.status.trouble } }

    // MARK: Reading

    private func read(as actor: Actor) async {
        let archive = LyingArchive(objects: objects, known: ledger.objects)
        // One of them has known the ledger for long, the other begins anew.
        let store = (actor == .reader ? lastRead : nil) ?? self.store(archived: archive)
        if actor == .reader { lastRead = store }
        let sealed = sealed
        let block = ledger.blocks[number(0...sealed - 1)]
        await expect("block \(block.first)", block.bytes) { () async throws(LedgerStoreError) in
            try await store.block(first: block.first)
        }
        let place = number(0...sealed - 1)
        let through = ledger.batches[min(place + number(0...3), sealed - 1)].last
        var pages = BlockPages(store, from: ledger.blocks[place].first, through: through)
        var found: [StoredBlock] = []
        do throws(LedgerStoreError) {
            while case let page = try await pages.nextPage(), !page.isEmpty { found += page }
            let wanted = ledger.blocks[place...].prefix { $0.first <= through }
            if found.map(\.first) != wanted.map(\.first)
                || !zip(found, wanted).allSatisfy({ isSame($0.bytes, $1.bytes) })
            {
                broken("a listing of \(wanted.map(\.first)) gave \(found.map(\.first))")
            }
        } catch {
            bearable(error, "a listing")
        }
        let last = ledger.batches[sealed - 1].last.rawValue
        let tile = TileID(level: 0, index: UInt64(number(0...Int(last / 256 - 1))))
        await expect("\(tile)", ledger.objects[.tile(tile)]) { () async throws(LedgerStoreError) in
            try await store.tile(tile)
        }
        if last >= 4_096 {
            let segment = UInt64(number(0...Int(last / 4_096 - 1)))
            await expect("ids segment \(segment)", ledger.objects[.segment(segment)]) {
                () async throws(LedgerStoreError) in
                try await store.segments(from: segment, end: segment + 1, limit: 1).first?.bytes
            }
        }
        let end = ledger.batches[ledger.blocks.firstIndex { $0.first == block.first } ?? 0].last
        await expect("the start of \(end)", block.first.canonicalDecimal) {
            () async throws(LedgerStoreError) in
            try await store.newestBlockStart(atOrBelow: end)?.canonicalDecimal
        }
    }

    /// A member's copy that is behind: it proves no absence, but what it gives is right.
    private func readCopy() async {
        let store =
            lastRead
            ?? self.store(
                archived: LyingArchive(objects: objects, known: ledger.objects))
        guard let seen = await store.observeCopies(timeout: .seconds(1)),
            let sealed = ledger.batches.firstIndex(where: {
                $0.last == seen.observation.head.sequence
            })
        else { return }
        let block = ledger.blocks[number(0...sealed)]
        await expect("block \(block.first) of a copy", block.bytes) {
            () async throws(LedgerStoreError) in
            try await store.copy(of: seen.member).block(first: block.first)
        }
    }

    private func load() async {
        guard number(0...11) == 0 else { return }
        let store = store(archived: LyingArchive(objects: objects, known: ledger.objects))
        do throws(LedgerStoreError) {
            let observation = try await store.observe().observation
            let state = try await LedgerLoader(store).load(upTo: observation, indexSeed: 1)
            if state.format != observation.format { broken("loaded with another format") }
        } catch {
            bearable(error, "loading")
        }
    }

    private func expect(
        _ what: String, _ wanted: [UInt8]?, _ read: () async throws(LedgerStoreError) -> [UInt8]?
    ) async {
        do throws(LedgerStoreError) {
            guard let found = try await read() else {
                broken("\(what) is missing")
                return
            }
            if !isSame(found, wanted ?? []) { broken("\(what) is wrong") }
        } catch {
            bearable(error, what)
        }
    }

    /// A reader may be told to come again, never that the ledger is damaged.
    private func bearable(_ error: LedgerStoreError, _ what: String) {
        switch error.code {
        case .unavailable, .archive: break
        case .inconsistent, .unsupportedFormat: broken("\(what): \(error)")
        }
    }

    // MARK: Backups

    /// Makes a backup, or restores one while nobody is in the middle of a step (protocol.md 12); what the backup
    /// lacks is written again as it was (protocol.md 27).
    private func keepBackups() {
        switch number(0...9) {
        case 0...2:
            backups.append((etcd.snapshot, sealed))
        case 3 where !backups.isEmpty && busy.count == 1:
            restores += 1
            let backup = backups[number(0...backups.count - 1)]
            let revision = etcd.snapshot.revision
            etcd.snapshot = backup.contents
            // The revision may be higher than before, lower, or the same again.
            if number(0...1) == 0 { etcd.snapshot.revision = revision }
            for batch in ledger.batches[backup.sealed..<sealed] {
                _ = etcd.apply(EtcdTransaction(success: batch.puts))
            }
            copy.snapshot = etcd.snapshot
            checked = 0
            record = nil
        default: break
        }
    }

    /// The archive loses or damages what it has kept well until now, and nothing relies on yet. The next segments are not
    /// touched while a trimmer reads them back: nobody can do anything about an object that is lost between being read back
    /// and being relied on.
    private func rot() {
        let next = mostTrimmed.rawValue / 4_096
        let safe = isReadBack ? next + UInt64(Self.mostSegmentsAtOnce) : next
        let kept = objects.objects.keys.filter {
            switch $0 {
            case .bundle(let index): index / 16 >= safe
            case .tile(let id): id.level == 0 && id.index / 16 >= safe
            case .segment(let number): number >= safe
            }
        }.sorted { "\($0)" < "\($1)" }
        guard !kept.isEmpty, number(0...3) == 0 else { return }
        let name = kept[number(0...kept.count - 1)]
        objects.rot(name, isLost: number(0...1) == 0)
        rotten.insert(name)
    }

    /// Whether somebody reads the next segments back, or is about to rely on it.
    private var isReadBack: Bool {
        trimmers.values.contains { trimmer in
            switch trimmer.next {
            case .readBack, .raise: true
            case .wait, .look, .findBlock, .list, .delete: false
            }
        }
    }

    /// Somebody finds out, and brings back what has rotted.
    func mend() {
        for name in rotten { ledger.objects[name].map { objects.restore(name, $0) } }
        rotten = []
    }

    // MARK: What must always hold

    /// The `trimmed` that etcd's record has now.
    var trimmed: SequenceNumber {
        etcd.snapshot.keys[keys.archive].flatMap {
            try? ArchiveRecord(decodingJSON: $0.value).trimmed
        } ?? .zero
    }

    /// Whatever is not in etcd may be missing there, and is in the archive, as it was.
    func check() {
        guard etcd.snapshot.revision != checked else { return }
        checked = etcd.snapshot.revision
        let stored = etcd.snapshot.keys
        let trimmed = trimmed
        for (key, value, batch) in ledger.immutable where batch < sealed {
            if let found = stored[key]?.value {
                if !isSame(found, value) { broken("a key was overwritten") }
                continue
            }
            guard let range = events(of: key) else {
                broken("a key was deleted that is none of those that may be")
                continue
            }
            if range.upperBound > trimmed {
                broken("\(range) is deleted, and \(trimmed) is trimmed")
            }
            for name in archived(key, range)
            where !isSame(objects.objects[name] ?? [], ledger.objects[name] ?? [0]) {
                broken("\(range) is deleted, and \(name) is not in the archive")
            }
        }
        mostTrimmed = max(mostTrimmed, trimmed)
        let now = stored[keys.archive].flatMap { try? ArchiveRecord(decodingJSON: $0.value) }
        if let record,
            now.map({ $0.through < record.through || $0.trimmed < record.trimmed }) ?? true
        {
            broken("the archive's record went back from \(record) to \(String(describing: now))")
        }
        record = now
        if trimmed > .zero, stored[keys.format]?.value != LedgerFormat.two.value {
            broken("events are trimmed of a ledger of format 1")
        }
        if violations.count > 20 { violations.removeLast(violations.count - 20) }
    }

    /// The events that a key of those that may be deleted is for; nil for others.
    private func events(of key: [UInt8]) -> ClosedRange<SequenceNumber>? {
        if let first = keys.blockNumber(key),
            let batch = ledger.blocks.firstIndex(where: { $0.first == first })
        {
            return first...ledger.batches[batch].last
        }
        if let number = keys.segmentNumber(key) { return covering(number, 4_096) }
        if let id = keys.tileID(key), id.level == 0 { return covering(id.index, 256) }
        return nil
    }

    private func covering(_ index: UInt64, _ width: UInt64) -> ClosedRange<SequenceNumber> {
        SequenceNumber(index * width + 1)...SequenceNumber((index + 1) * width)
    }

    private func archived(
        _ key: [UInt8], _ range: ClosedRange<SequenceNumber>
    ) -> [SimulatedArchive.Name] {
        if let number = keys.segmentNumber(key) { return [.segment(number)] }
        if let id = keys.tileID(key) { return [.tile(id)] }
        let (first, last) = (range.lowerBound.leafIndex, range.upperBound.leafIndex)
        var names = (first / 256...last / 256).map { SimulatedArchive.Name.bundle($0) }
        // The segment of the last event need not be full, nor trimmed.
        for segment in first / 4_096...last / 4_096 where (segment + 1) * 4_096 <= trimmed.rawValue
        {
            names.append(.segment(segment))
        }
        return names
    }
}
