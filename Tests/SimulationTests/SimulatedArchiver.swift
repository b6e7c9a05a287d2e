import LedgerCore
import LedgerStore

/// An archiver of full objects, one request a step (formats.md, "Archive"): objects, each read back and compared, then
/// `archive.through`.
final class SimulatedArchiver {
    private enum State {
        case looking
        case writing(LedgerStore.StoredArchive?, through: SequenceNumber, [SimulatedArchive.Name])
        case recording(LedgerStore.StoredArchive?, through: SequenceNumber)
    }

    private let store: LedgerStore
    private unowned let world: ArchiveWorld
    private var state = State.looking

    init(store: LedgerStore, world: ArchiveWorld) {
        self.store = store
        self.world = world
    }

    func step() async {
        switch state {
        case .looking: await look()
        case .writing(let record, let through, let names):
            guard let name = names.first else {
                state = .recording(record, through: through)
                return
            }
            guard await write(name) else { return }
            state = .writing(record, through: through, Array(names.dropFirst()))
        case .recording(let record, let through):
            state = .looking
            guard
                let raised = try? ArchiveRecord(
                    location: SimulatedArchive.location, through: through,
                    trimmed: record?.record.trimmed ?? .zero)
            else {
                world.broken("a record that cannot be")
                return
            }
            _ = await store.putArchive(raised, replacing: record, timeout: .seconds(1))
        }
    }

    private func look() async {
        do throws(LedgerStoreError) {
            let record = try await store.archive()
            let from = record?.record.through ?? .zero
            guard world.head > from else { return }
            // Mostly not all: the record is raised again and again while others rely on it.
            let most = world.isCalm ? 1 << 20 : world.chooser.number(in: 1...2_000)
            let through = min(world.head, from.advanced(by: UInt64(most)))
            state = .writing(record, through: through, Self.names(from: from, to: through))
        } catch {}
    }

    /// - Returns: whether it is there, as it was seen by reading it.
    private func write(_ name: SimulatedArchive.Name) async -> Bool {
        guard let bytes = world.ledger.objects[name] else { return true }
        do throws(LyingObjects.Failure) {
            try await world.objects.putIfAbsent(name, bytes)
        } catch {}
        do throws(LyingObjects.Failure) {
            let found = try await world.objects.read(name)
            if found == bytes { return true }
            // Somebody is told, looks at what is there, and removes it where it is wrong.
            if let there = world.objects.objects[name], there != bytes {
                world.objects.remove(name)
            }
            return false
        } catch {
            return false
        }
    }

    /// The objects that become full between two sizes.
    private static func names(
        from: SequenceNumber, to: SequenceNumber
    ) -> [SimulatedArchive.Name] {
        (from.rawValue / 256..<to.rawValue / 256).flatMap {
            [.tile(TileID(level: 0, index: $0)), .bundle($0)] as [SimulatedArchive.Name]
        } + (from.rawValue / 4_096..<to.rawValue / 4_096).map { .segment($0) }
    }
}
