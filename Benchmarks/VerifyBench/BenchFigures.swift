/// Events a second in each round, in short.
struct Rates {
    let p50: Double
    /// What nine rounds of ten reached.
    let p90: Double
    let p99: Double
    let best: Double

    init(_ rates: [Double]) {
        let sorted = rates.sorted(by: >)
        func reached(by part: Double) -> Double {
            sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
        }
        (p50, p90, p99) = (reached(by: 0.5), reached(by: 0.9), reached(by: 0.99))
        best = sorted[0]
    }

    var json: String {
        "{\"p50\":\(Int(p50)),\"p90\":\(Int(p90)),\"p99\":\(Int(p99)),\"best\":\(Int(best))}"
    }
}

/// The result.
struct BenchFigures {
    let events: Int
    let blockEvents: Int
    let payloadBytes: Int
    /// On average.
    let entryBytes: Int
    let verified: Rates
    let hashed: Rates

    /// One line of JSON; rates in events a second.
    var json: String {
        """
        {"events":\(events),"block_events":\(blockEvents),"payload_bytes":\(payloadBytes),\
        "entry_bytes":\(entryBytes),"verified":\(verified.json),"sha256":\(hashed.json),\
        "ratio":\((verified.p50 / hashed.p50 * 1_000).rounded() / 1_000)}
        """
    }
}
