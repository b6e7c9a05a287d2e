package import LedgerCore
import Synchronization

/// The blocks at the end of the ledger, as they were sealed here or read while following: who follows the ledger reads
/// them from here, however many follow, and nothing is read from etcd for it.
package final class NewestBlocks: Sendable {
    /// What an event takes beside its bytes, roughly, once it is decoded.
    private static let bytesPerEvent = 512

    private final class Item: Sendable {
        let first: SequenceNumber
        let bytes: [UInt8]
        let cost: Int
        private let decoded = Mutex<[SealedEntry]?>(nil)

        init(first: SequenceNumber, bytes: [UInt8], events: Int) {
            self.first = first
            self.bytes = bytes
            // The stored bytes, and the events once somebody has asked for them.
            cost = 2 * bytes.count + events * NewestBlocks.bytesPerEvent
        }

        /// Decoded once, by whoever asks first; the others wait for that.
        func events() throws(LedgerRPCError) -> [SealedEntry] {
            let result = decoded.withLock { decoded -> Result<[SealedEntry], LedgerRPCError> in
                if let decoded { return .success(decoded) }
                do throws(LedgerRPCError) {
                    let events = try BlockReader.decode(bytes, first: first)
                    decoded = events
                    return .success(events)
                } catch {
                    return .failure(error)
                }
            }
            return try result.get()
        }
    }

    private struct State {
        var items: [SequenceNumber: Item] = [:]
        /// The blocks from the oldest on.
        var order: [Item] = []
        var cost = 0
    }

    private let state = Mutex(State())
    private let maxBytes: Int

    /// - Parameter maxBytes: the memory that the blocks may take (`LEDGER_FOLLOW_BYTES`).
    package init(maxBytes: Int) {
        self.maxBytes = maxBytes
    }

    /// The memory that is taken at most, now.
    package var byteCount: Int { state.withLock { $0.cost } }

    /// Keeps a block that was sealed, until newer ones need its room.
    package func keep(first: SequenceNumber, bytes: [UInt8], events: Int) {
        let item = Item(first: first, bytes: bytes, events: events)
        state.withLock { state in
            if let old = state.items.updateValue(item, forKey: first) {
                state.order.removeAll { $0 === old }
                state.cost -= old.cost
            }
            state.order.append(item)
            state.cost += item.cost
            if state.cost > maxBytes { Self.evict(&state, to: maxBytes / 4 * 3) }
        }
    }

    /// The events of the block that begins at a number; nil where it is not kept.
    func events(of first: SequenceNumber) throws(LedgerRPCError) -> [SealedEntry]? {
        try state.withLock { $0.items[first] }?.events()
    }

    /// Evicting a quarter at once keeps the cost of one block small.
    private static func evict(_ state: inout State, to maxBytes: Int) {
        var count = 0
        while count < state.order.count, state.cost > maxBytes {
            let item = state.order[count]
            state.items[item.first] = nil
            state.cost -= item.cost
            count += 1
        }
        state.order.removeFirst(count)
    }
}
