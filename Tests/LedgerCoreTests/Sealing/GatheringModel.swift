@testable import LedgerCore

/// Callers and a store in closed form, around a `Gathering` or around a store that takes every batch at once.
struct GatheringModel {
    enum Callers {
        /// So many callers, each of which submits its next event some time after its answer: times in nanoseconds, by the
        /// place in the batch.
        case closedLoop(Int, back: (Int) -> Int64)
        /// Events that come whatever the store does: times between them in nanoseconds.
        case openLoop(gap: () -> Int64)
    }

    struct Result: CustomStringConvertible {
        var eventsPerSecond = 0.0
        var meanLatency = 0.0
        var eventsPerTransaction = 0.0
        /// The longest time for which a batch was held although nothing was under way, in nanoseconds.
        var longestHold: Int64 = 0
        var holds = 0

        var description: String {
            "\(Int(eventsPerSecond))/s, \(meanLatency / 1e6) ms, \(eventsPerTransaction) a transaction,"
                + " held \(holds) times for at most \(Double(longestHold) / 1e6) ms"
        }
    }

    private struct Arrival {
        var at: Int64
        var caller: Int
    }

    let callers: Callers
    /// How long a commit takes in nanoseconds, by its number of events and by how long the store was at rest before.
    let commit: (_ events: Int, _ rest: Int64) -> Int64
    var maxBatch = 256
    var gathering: Gathering?
    private var now: Int64 = 0
    private var coming: [Arrival] = []
    private var waiting: [Int64] = []
    private var waitingCallers: [Int] = []
    private var batch: (arrivals: [Int64], callers: [Int], began: Int64, ends: Int64)?
    private var restsSince: Int64 = -1_000_000_000
    private var wake: Int64?
    private var heldSince: Int64?

    init(
        _ callers: Callers, gathering: Gathering?,
        commit: @escaping (_ events: Int, _ rest: Int64) -> Int64
    ) {
        self.callers = callers
        self.gathering = gathering
        self.commit = commit
    }

    /// Goes on for so many events, and then measures as many again.
    mutating func run(events: Int) -> Result {
        var ignored = Result()
        _ = advance(events, &ignored)
        var result = Result()
        let begin = now
        let (count, transactions, latencies) = advance(events, &result)
        result.eventsPerSecond = Double(count) * 1e9 / Double(now - begin)
        result.meanLatency = Double(latencies) / Double(count)
        result.eventsPerTransaction = Double(count) / Double(transactions)
        return result
    }

    private mutating func advance(_ events: Int, _ result: inout Result) -> (Int, Int, Int64) {
        if coming.isEmpty, batch == nil, waiting.isEmpty { begin() }
        var (count, transactions, latencies) = (0, 0, Int64(0))
        while count < events {
            let next = coming.indices.min { coming[$0].at < coming[$1].at }
            let arrival = next.map { coming[$0].at } ?? .max
            now = min(arrival, batch?.ends ?? .max, batch == nil ? wake ?? .max : .max)
            if let done = batch, done.ends <= now {
                batch = nil
                restsSince = now
                count += done.arrivals.count
                transactions += 1
                latencies += done.arrivals.reduce(0) { $0 + now - $1 }
                answer(done.callers, after: now - done.began)
            } else if let next, arrival <= now {
                arrive(coming.remove(at: next))
            }
            startOrHold(&result)
        }
        return (count, transactions, latencies)
    }

    private mutating func begin() {
        switch callers {
        case .closedLoop(let count, _): coming = (0..<count).map { Arrival(at: 0, caller: $0) }
        case .openLoop(let gap): coming = [Arrival(at: gap(), caller: 0)]
        }
    }

    private mutating func arrive(_ arrival: Arrival) {
        waiting.append(now)
        waitingCallers.append(arrival.caller)
        gathering?.arrived(at: MonotonicInstant(nanoseconds: now))
        if case .openLoop(let gap) = callers { coming = [Arrival(at: now + gap(), caller: 0)] }
    }

    private mutating func answer(_ answered: [Int], after duration: Int64) {
        gathering?.committed(
            in: Nanoseconds(duration), answering: answered.count,
            at: MonotonicInstant(nanoseconds: now))
        guard case .closedLoop(_, let back) = callers else { return }
        coming += answered.enumerated().map {
            Arrival(at: now + back($0.offset), caller: $0.element)
        }
    }

    private mutating func startOrHold(_ result: inout Result) {
        wake = nil
        guard batch == nil, !waiting.isEmpty else { return }
        let instant = MonotonicInstant(nanoseconds: now)
        if waiting.count < maxBatch,
            let until = gathering?.holdUntil(instant, waiting: waiting.count)
        {
            wake = until.nanoseconds
            if heldSince == nil {
                heldSince = now
                result.holds += 1
            }
            return
        }
        result.longestHold = max(result.longestHold, now - (heldSince ?? now))
        heldSince = nil
        let count = min(maxBatch, waiting.count)
        batch = (
            Array(waiting.prefix(count)), Array(waitingCallers.prefix(count)), now,
            now + commit(count, now - restsSince)
        )
        waiting.removeFirst(count)
        waitingCallers.removeFirst(count)
    }
}
