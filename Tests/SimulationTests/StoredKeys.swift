/// Keys in the order of their bytes, with what is stored under each.
struct StoredKeys<Value: Sendable>: Sendable {
    private var values: [[UInt8]: Value] = [:]
    private var sorted: [[UInt8]] = []

    subscript(key: [UInt8]) -> Value? {
        get { values[key] }
        set {
            let old = values[key]
            values[key] = newValue
            if (old == nil) == (newValue == nil) { return }
            let place = place(of: key)
            if newValue == nil {
                sorted.remove(at: place)
            } else {
                sorted.insert(key, at: place)
            }
        }
    }

    /// The keys from `start` up to `end`, which is not one of them; without an end the key alone, and with a single
    /// zero byte as the end all that follow.
    func keys(from start: [UInt8], to end: [UInt8]?) -> ArraySlice<[UInt8]> {
        let first = place(of: start)
        guard let end else {
            return values[start] == nil ? [] : sorted[first...first]
        }
        return sorted[first..<(end == [0] ? sorted.endIndex : max(first, place(of: end)))]
    }

    func filter(_ isWanted: (Value) -> Bool) -> [[UInt8]] {
        sorted.filter { values[$0].map(isWanted) ?? false }
    }

    /// Where the key stands, or would.
    private func place(of key: [UInt8]) -> Int {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle].lexicographicallyPrecedes(key) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
