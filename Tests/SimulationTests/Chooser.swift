/// Decides everything that is left to chance in a simulated world, so that a run can be replayed.
protocol Chooser: AnyObject {
    /// While false, nothing goes wrong.
    var faults: Bool { get set }
    /// A number below `count`. Zero is the choice in which nothing goes wrong.
    func choose(_ count: Int, oddsAgainst: Int) -> Int
    /// A number in the range, for times, sizes and turns; the lowest is the ordinary one.
    func number(in range: ClosedRange<Int64>) -> Int64
}

/// Chance from a seed (SplitMix64).
final class SeededChooser: Chooser {
    private var state: UInt64
    var faults = true

    init(seed: UInt64) {
        state = seed
    }

    func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    func choose(_ count: Int, oddsAgainst: Int) -> Int {
        let draw = next()
        guard faults, count > 1, draw % UInt64(oddsAgainst) == 0 else { return 0 }
        return 1 + Int((draw >> 32) % UInt64(count - 1))
    }

    func number(in range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
}

/// Every combination of the first few choices, one run each; what comes later goes well.
final class ExhaustiveChooser: Chooser, CustomStringConvertible {
    private var script: [Int]
    private var counts: [Int] = []
    private let depth: Int
    /// While false, nothing counts either.
    var faults = true

    init(depth: Int) {
        self.depth = depth
        script = []
    }

    func choose(_ count: Int, oddsAgainst: Int) -> Int {
        let place = counts.count
        guard faults, place < depth else { return 0 }
        counts.append(count)
        if place == script.count { script.append(0) }
        return script[place]
    }

    /// Times are the same in every run: what differs is what happens, not when.
    func number(in range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound
    }

    var description: String { "\(script) of \(counts)" }

    /// Goes on to the next combination; false when there is none.
    func advance() -> Bool {
        script = Array(script.prefix(counts.count))
        while let last = script.popLast() {
            if last + 1 < counts[script.count] {
                script.append(last + 1)
                counts = []
                return true
            }
        }
        return false
    }
}
