import Synchronization

/// What was read last, up to a number of bytes: of blocks and tiles, which never change, any copy will do.
package final class ReadCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Item {
        var value: Value
        var bytes: Int
        var lastUse: UInt64
    }

    private struct State {
        var items: [Key: Item] = [:]
        var bytes = 0
        var uses: UInt64 = 0
    }

    private let state = Mutex(State())
    private let maxBytes: Int

    /// - Parameter maxBytes: the bytes of stored values that are kept at most.
    package init(maxBytes: Int) {
        self.maxBytes = maxBytes
    }

    /// What is kept under a key.
    package func value(for key: Key) -> Value? {
        state.withLock { state in
            guard let place = state.items.index(forKey: key) else { return nil }
            state.uses += 1
            state.items.values[place].lastUse = state.uses
            return state.items.values[place].value
        }
    }

    /// Keeps what was read; `bytes` is the length of its stored value.
    package func insert(_ value: Value, for key: Key, bytes: Int) {
        guard bytes <= maxBytes / 4 else { return }
        state.withLock { state in
            state.uses += 1
            let old = state.items.updateValue(
                Item(value: value, bytes: bytes, lastUse: state.uses), forKey: key)
            state.bytes += bytes - (old?.bytes ?? 0)
            if state.bytes > maxBytes { Self.evict(&state, to: maxBytes / 2) }
        }
    }

    /// Forgets what is kept under a key.
    package func remove(_ key: Key) {
        state.withLock { state in
            state.bytes -= state.items.removeValue(forKey: key)?.bytes ?? 0
        }
    }

    /// Evicting half at once keeps the cost of one insertion small on average without a linked list.
    private static func evict(_ state: inout State, to maxBytes: Int) {
        for (key, item) in state.items.sorted(by: { $0.value.lastUse < $1.value.lastUse }) {
            guard state.bytes > maxBytes else { return }
            state.items[key] = nil
            state.bytes -= item.bytes
        }
    }
}
