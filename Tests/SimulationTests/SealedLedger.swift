import EtcdGateway
import LedgerCore
import LedgerReplica

/// The events that are sealed, read block by block as they come.
struct SealedLedger {
    private var events: [SealedEntry] = []
    /// How many events there are in the block that begins at a number.
    private var blocks: [SequenceNumber: Int] = [:]

    subscript(number: SequenceNumber) -> SealedEntry? {
        let place = Int(number.rawValue) - 1
        return events.indices.contains(place) ? events[place] : nil
    }

    func block(_ first: SequenceNumber) -> [SealedEntry] {
        let place = Int(first.rawValue) - 1
        return Array(events[place..<place + (blocks[first] ?? 0)])
    }

    /// Reads what was sealed since.
    mutating func read(_ store: SimulatedEtcd, _ keys: LedgerKeys) {
        while true {
            let first = SequenceNumber(rawValue: UInt64(events.count) + 1)
            guard let bytes = store.snapshot.keys[keys.block(first)]?.value,
                let block = try? Block.decodeChain(bytes, first: first)
            else { return }
            blocks[first] = block.count
            events += block.map { SealedEntry(entry: Entry($0.entry), eventHash: $0.eventHash) }
        }
    }
}

/// Reads of sealed events by one life of a replica, as the service's readers do them.
struct SimulatedBlocks: SealedBlocks {
    private struct Missing: Error {}

    let store: SimulatedStore
    let world: World

    func events(of first: SequenceNumber) async throws -> [SealedEntry] {
        try await read { $0.block(first) }
    }

    func event(
        _ number: SequenceNumber, startedBy first: SequenceNumber?
    ) async throws -> SealedEntry {
        guard let found = try await read({ $0[number] }) else { throw Missing() }
        return found
    }

    func keep(first: SequenceNumber, bytes: [UInt8], events: Int) {}

    private func read<Value: Sendable>(
        _ value: @escaping (SealedLedger) -> Value
    ) async throws -> Value {
        store.reads += 1
        defer { store.reads -= 1 }
        // Look-ups and searches have so many each.
        if store.reads > 2 * world.settings.sealing.maxLookUps {
            world.broken("\(store.reads) sealed events are read at once")
        }
        return try await store.ask(.event) { [world] _ in .success(value(world.sealedEvents())) }
    }
}
