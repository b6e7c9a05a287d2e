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
