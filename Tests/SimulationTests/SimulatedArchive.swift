import LedgerCore
import LedgerStore
import Synchronization

/// An archive in memory, with the objects that the ledger in a simulated etcd gives.
final class SimulatedArchive: ArchivedPast {
    /// A full object.
    enum Name: Hashable {
        case bundle(UInt64)
        case tile(TileID)
        case segment(UInt64)
    }

    static let location = "file:///archive"

    private let objects = Mutex<[Name: [UInt8]]>([:])
    private let asked = Mutex<[Name]>([])

    /// What was asked for, in that order.
    var reads: [Name] { asked.withLock { $0 } }

    subscript(name: Name) -> [UInt8]? {
        get { objects.withLock { $0[name] } }
        set { objects.withLock { $0[name] = newValue } }
    }

    /// Takes every full object of a ledger that is whole in etcd.
    func fill(from ledger: SimulatedEtcd, _ keys: LedgerKeys) {
        guard let found = try? Self.objects(of: ledger, keys) else {
            preconditionFailure("a ledger that is whole has blocks")
        }
        objects.withLock { $0.merge(found) { $1 } }
    }

    /// Every full object of a ledger that is whole in etcd.
    static func objects(of ledger: SimulatedEtcd, _ keys: LedgerKeys) throws -> [Name: [UInt8]] {
        var objects: [Name: [UInt8]] = [:]
        var bundle: [UInt8] = []
        var count: UInt64 = 0
        let stored = ledger.snapshot.keys
        let all = keys.everything
        for key in stored.keys(from: all.key, to: all.rangeEnd) {
            guard let value = stored[key]?.value else { continue }
            if let id = keys.tileID(key) { objects[.tile(id)] = value }
            if let number = keys.segmentNumber(key) { objects[.segment(number)] = value }
            guard let first = keys.blockNumber(key) else { continue }
            for entry in try Block(decoding: value, firstNumber: first).entries {
                Block.append(entry, to: &bundle)
                count += 1
                if count.isMultiple(of: 256) {
                    objects[.bundle(count / 256 - 1)] = bundle
                    bundle = []
                }
            }
        }
        return objects
    }

    private func read(_ name: Name) throws(LedgerStoreError) -> [UInt8] {
        asked.withLock { $0.append(name) }
        guard let bytes = self[name] else { throw .archive(.unavailable("\(name) is missing")) }
        return bytes
    }

    func bundle(_ index: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8] {
        try read(.bundle(index))
    }

    func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] { try read(.tile(id)) }

    func segment(
        _ number: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] { try read(.segment(number)) }
}

extension SimulatedEtcd {
    /// The keys of a ledger that may be deleted once events up to a number are trimmed (formats.md, "Archive").
    func deletable(_ keys: LedgerKeys, trimmed: SequenceNumber) -> [[UInt8]] {
        let stored = snapshot.keys
        return stored.keys(from: keys.everything.key, to: keys.everything.rangeEnd).filter { key in
            if let first = keys.blockNumber(key), let bytes = stored[key]?.value,
                let block = try? Block(decoding: bytes, firstNumber: first)
            {
                return block.lastNumber <= trimmed
            }
            if let number = keys.segmentNumber(key) {
                return (number + 1) * 4_096 <= trimmed.rawValue
            }
            if let id = keys.tileID(key) {
                switch id.level {
                case 0: return (id.index + 1) * 256 <= trimmed.rawValue
                case 1: return (id.index + 1) * 65_536 <= trimmed.rawValue
                default: return false
                }
            }
            return false
        }
    }

    /// Puts the record, and deletes what it allows to be deleted.
    func trim(
        _ keys: LedgerKeys, to trimmed: SequenceNumber, through: SequenceNumber,
        deleting: Bool = true
    ) throws {
        let record = try ArchiveRecord(
            location: SimulatedArchive.location, through: through, trimmed: trimmed)
        var segments = SegmentsDigest()
        if let known = snapshot.keys[keys.archivedIds]?.value {
            segments = try SegmentsDigest(decodingJSON: known)
        }
        while segments.count < trimmed.rawValue / 4_096,
            let bytes = snapshot.keys[keys.ids(segments.count)]?.value
        {
            segments.append(SegmentsDigest.ofSegment(bytes))
        }
        put(keys.archivedIds, segments.encodedJSON())
        put(keys.archive, record.encodedJSON())
        put(keys.format, LedgerFormat.two.value)
        guard deleting else { return }
        remove(deletable(keys, trimmed: trimmed))
    }

    /// Removes keys as if they never had been.
    func remove(_ keys: some Sequence<[UInt8]>) {
        var contents = snapshot
        for key in keys { contents.keys[key] = nil }
        snapshot = contents
    }
}
