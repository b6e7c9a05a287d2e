/// What one kind of index does.
struct IndexFigures {
    var events = 0
    var insertsPerSecond = 0.0
    /// Of ids that are in it.
    var hitsPerSecond = 0.0
    /// Of ids that are not.
    var missesPerSecond = 0.0
    /// Resident.
    var bytesPerEvent = 0.0

    /// As an object of JSON.
    var json: String {
        """
        {"events":\(events),"inserts_per_s":\(Int(insertsPerSecond)),\
        "hits_per_s":\(Int(hitsPerSecond)),"misses_per_s":\(Int(missesPerSecond)),\
        "bytes_per_event":\(rounded(bytesPerEvent))}
        """
    }

    /// How this one compares with another, as an object of JSON: above 1 is more.
    func ratios(to other: IndexFigures) -> String {
        """
        {"inserts":\(rounded(insertsPerSecond / other.insertsPerSecond)),\
        "hits":\(rounded(hitsPerSecond / other.hitsPerSecond)),\
        "misses":\(rounded(missesPerSecond / other.missesPerSecond)),\
        "bytes":\(rounded(bytesPerEvent / other.bytesPerEvent))}
        """
    }
}

/// How long single appends took, in nanoseconds.
struct AppendLatencies {
    private let sorted: [Int]

    init(_ nanoseconds: [Int]) { sorted = nanoseconds.sorted() }

    var json: String {
        func reached(_ part: Double) -> Int {
            sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
        }
        return """
            {"p50":\(reached(0.5)),"p90":\(reached(0.9)),"p99":\(reached(0.99)),\
            "p999":\(reached(0.999)),"max":\(sorted.last ?? 0)}
            """
    }
}

func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
