import LedgerCore

/// The streams that are not read further until there is room for more of their events.
///
/// They stand by their load, so that an event of the machine looks at those with the smallest one, and at no more when
/// these may not be read yet: where a stream may not, one with a greater load may not either.
struct StreamWaiters<Waiter> {
    private var waiters: [StreamID: (load: Int, waiter: Waiter)] = [:]
    private var streams: [Int: Set<StreamID>] = [:]
    /// The loads of those that wait, ascending.
    private var loads: [Int] = []

    var isEmpty: Bool { waiters.isEmpty }

    /// A stream has one reader, so at most one waits.
    mutating func add(_ stream: StreamID, load: Int, _ waiter: Waiter) {
        remove(stream)
        waiters[stream] = (load, waiter)
        insert(stream, load)
    }

    /// A stream's load has changed.
    mutating func changed(_ stream: StreamID, load: Int) {
        guard let waiter = remove(stream) else { return }
        add(stream, load: load, waiter)
    }

    /// What a load is has changed for all.
    mutating func changedAll(_ load: (StreamID) -> Int) {
        for stream in Array(waiters.keys) { changed(stream, load: load(stream)) }
    }

    /// Takes out all whose load allows them to be read further.
    mutating func resume(where mayRead: (Int) -> Bool) -> [(StreamID, Waiter)] {
        var resumed: [(StreamID, Waiter)] = []
        while let load = loads.first, mayRead(load) {
            loads.removeFirst()
            let waiting = streams.removeValue(forKey: load) ?? []
            for stream in waiting.sorted(by: { $0.rawValue < $1.rawValue }) {
                guard let waiter = waiters.removeValue(forKey: stream) else { continue }
                resumed.append((stream, waiter.waiter))
            }
        }
        return resumed
    }

    @discardableResult
    private mutating func remove(_ stream: StreamID) -> Waiter? {
        guard let (load, waiter) = waiters.removeValue(forKey: stream) else { return nil }
        streams[load]?.remove(stream)
        if streams[load]?.isEmpty ?? false {
            streams[load] = nil
            loads.remove(at: place(of: load))
        }
        return waiter
    }

    private mutating func insert(_ stream: StreamID, _ load: Int) {
        if streams[load] == nil { loads.insert(load, at: place(of: load)) }
        streams[load, default: []].insert(stream)
    }

    /// Where a load stands among the others, or would.
    private func place(of load: Int) -> Int {
        var low = 0
        var high = loads.count
        while low < high {
            let middle = (low + high) / 2
            if loads[middle] < load { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
