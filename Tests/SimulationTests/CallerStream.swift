import EtcdGateway
import LedgerCore

/// A stream of submissions as its caller sees it: answers come in the order of submission.
struct CallerStream {
    /// Those that are not answered to the caller, in order.
    var places: [Int] = []
    var ready: [Int: SubmissionOutcome] = [:]
    var order = StreamOrder()

    mutating func takeReady() -> (Int, SubmissionOutcome)? {
        guard let first = places.first, let outcome = ready.removeValue(forKey: first) else {
            return nil
        }
        places.removeFirst()
        return (first, outcome)
    }

    mutating func takeAll() -> [Int] {
        defer {
            places = []
            ready = [:]
        }
        return places
    }
}

/// The events that are sealed, read block by block as they come.
struct SealedEvents {
    private var events: [SealedEntry] = []
    private var numbers: [EventID: SequenceNumber] = [:]

    subscript(number: SequenceNumber) -> SealedEntry? {
        let place = Int(number.rawValue) - 1
        return events.indices.contains(place) ? events[place] : nil
    }

    func event(_ id: EventID) -> SealedEntry? {
        numbers[id].flatMap { self[$0] }
    }

    /// Reads what was sealed since.
    mutating func read(_ store: SimulatedEtcd, _ keys: LedgerKeys) throws {
        while true {
            let first = SequenceNumber(rawValue: UInt64(events.count) + 1)
            guard let bytes = store.snapshot.keys[keys.block(first)]?.value else { return }
            for link in try Block.decodeChain(bytes, first: first) {
                let entry = Entry(link.entry)
                numbers[entry.event.eventID] = entry.sequenceNumber
                events.append(SealedEntry(entry: entry, eventHash: link.eventHash))
            }
        }
    }
}
