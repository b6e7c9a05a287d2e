import LedgerCore
import Synchronization

/// The blocks that were read last, up to a number of bytes. A sealed event never changes, so any copy will do.
final class BlockCache: Sendable {
    private struct Item {
        var events: [SealedEntry]
        var bytes: Int
        var lastUse: UInt64
    }

    private struct State {
        var items: [SequenceNumber: Item] = [:]
        var bytes = 0
        var uses: UInt64 = 0
    }

    private let state = Mutex(State())
    private let maxBytes: Int

    /// - Parameter maxBytes: the bytes of stored blocks that are kept at most (`LEDGER_CACHE_BYTES`).
    init(maxBytes: Int) {
        self.maxBytes = maxBytes
    }

    /// The events of the block that begins at a number.
    func events(of first: SequenceNumber) -> [SealedEntry]? {
        state.withLock { state in
            guard let place = state.items.index(forKey: first) else { return nil }
            state.uses += 1
            state.items.values[place].lastUse = state.uses
            return state.items.values[place].events
        }
    }

    /// Keeps a block's events; `bytes` is the length of its stored value.
    func insert(_ events: [SealedEntry], of first: SequenceNumber, bytes: Int) {
        guard bytes <= maxBytes / 4 else { return }
        state.withLock { state in
            state.uses += 1
            let old = state.items.updateValue(
                Item(events: events, bytes: bytes, lastUse: state.uses), forKey: first)
            state.bytes += bytes - (old?.bytes ?? 0)
            if state.bytes > maxBytes { Self.evict(&state, to: maxBytes / 2) }
        }
    }

    /// Evicting half at once keeps the cost of one insertion small on average without a linked list.
    private static func evict(_ state: inout State, to maxBytes: Int) {
        for (first, item) in state.items.sorted(by: { $0.value.lastUse < $1.value.lastUse }) {
            guard state.bytes > maxBytes else { return }
            state.items[first] = nil
            state.bytes -= item.bytes
        }
    }
}
