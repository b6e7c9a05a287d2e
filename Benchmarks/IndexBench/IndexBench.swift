internal import ArgumentParser
internal import BenchSupport
internal import LedgerCore

/// Measures the id index: memory, insertions, searches and single appends, beside a dictionary of the standard library.
@main
struct IndexBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index-bench",
        abstract: "Measure the id index beside a dictionary with the same events.",
        discussion: """
            Random fingerprints, no input or output. Memory is what the process has resident more than before. The \
            report is one line of JSON; single appends in nanoseconds.
            """)

    @Option(help: "Events of the index.")
    var events = 10_000_000

    @Option(help: "Events of the dictionary.")
    var dictionaryEvents = 10_000_000

    @Option(help: "Searches of each kind.")
    var searches = 5_000_000

    @Option(help: "Single appends that are timed, after all others.")
    var appends = 1_000_000

    @Flag(help: "Make the index for so many events from the beginning, as loading does.")
    var reserve = false

    mutating func validate() throws {
        guard (1...1_000_000_000).contains(events),
            (1...200_000_000).contains(dictionaryEvents),
            (1...1_000_000_000).contains(searches), (1...100_000_000).contains(appends)
        else { throw ValidationError("Numbers must be sensible.") }
    }

    func run() throws {
        let before = ResidentMemory.bytes
        var index = IdIndex(
            seed: .random(in: 0...(.max)), expectedCount: reserve ? UInt64(events) : 0)
        var figures = IndexFigures(events: events)
        figures.insertsPerSecond = rate(events) {
            for number in 0..<UInt64(events) {
                index.append(fingerprint(number), startsBlock: number.isMultiple(of: 16))
            }
        }
        figures.bytesPerEvent = Double(ResidentMemory.bytes - before) / Double(events)
        var found = 0
        figures.hitsPerSecond = rate(searches) {
            for number in 0..<UInt64(searches) {
                let number = (number &* 0x9E37_79B9) % UInt64(events)
                if index.firstCandidate(for: fingerprint(number)) != nil { found += 1 }
            }
        }
        precondition(found == searches, "every event is found")
        figures.missesPerSecond = rate(searches) {
            for number in 0..<UInt64(searches) {
                if index.firstCandidate(for: fingerprint(number | 1 << 63)) != nil { found += 1 }
            }
        }
        let falseHits = found - searches
        let single = time(appendsTo: &index)
        let dictionary = measureDictionary()
        print(
            """
            {"index":\(figures.json),"false_hits":\(falseHits),"append_ns":\(single.json),\
            "dictionary":\(dictionary.json),"ratios":\(figures.ratios(to: dictionary))}
            """)
    }

    private func measureDictionary() -> IndexFigures {
        let before = ResidentMemory.bytes
        var figures = IndexFigures(events: dictionaryEvents)
        var dictionary: [UInt64: UInt32] = [:]
        figures.insertsPerSecond = rate(dictionaryEvents) {
            for number in 0..<UInt64(dictionaryEvents) {
                dictionary[fingerprint(number).value] = UInt32(truncatingIfNeeded: number)
            }
        }
        figures.bytesPerEvent = Double(ResidentMemory.bytes - before) / Double(dictionaryEvents)
        var found = 0
        figures.hitsPerSecond = rate(searches) {
            for number in 0..<UInt64(searches) {
                let number = (number &* 0x9E37_79B9) % UInt64(dictionaryEvents)
                if dictionary[fingerprint(number).value] != nil { found += 1 }
            }
        }
        figures.missesPerSecond = rate(searches) {
            for number in 0..<UInt64(searches) {
                if dictionary[fingerprint(number | 1 << 63).value] != nil { found += 1 }
            }
        }
        precondition(found >= searches, "every event is found")
        return figures
    }

    private func time(appendsTo index: inout IdIndex) -> AppendLatencies {
        let clock = ContinuousClock()
        var nanoseconds: [Int] = []
        nanoseconds.reserveCapacity(appends)
        for number in 0..<UInt64(appends) {
            let next = fingerprint(number | 1 << 62)
            let begin = clock.now
            index.append(next, startsBlock: false)
            nanoseconds.append(Int(begin.duration(to: clock.now) / .nanoseconds(1)))
        }
        return AppendLatencies(nanoseconds)
    }

    /// A fingerprint for a number, spread over all of them (SplitMix64).
    private func fingerprint(_ number: UInt64) -> Fingerprint {
        var mixed = (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Fingerprint(value: mixed ^ (mixed >> 31))
    }

    /// How often a second something is done.
    private func rate(_ times: Int, _ body: () -> Void) -> Double {
        let begin = ContinuousClock.now
        body()
        return Double(times) / (begin.duration(to: .now) / .seconds(1))
    }
}
