import Testing

/// A random number generator (SplitMix64) that gives the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func bytes(_ counts: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: counts, using: &self)).map { _ in
            UInt8.random(in: 0...255, using: &self)
        }
    }

    mutating func text(_ counts: ClosedRange<Int>) -> [UInt8] {
        let characters = ["a", "Z", "0", "-", " ", "é", "к", "日", "🜚"]
        let wanted = Int.random(in: counts, using: &self)
        var text: [UInt8] = []
        while text.count < wanted {
            let next = Array((characters.randomElement(using: &self) ?? "a").utf8)
            text += text.count + next.count <= wanted ? next : [UInt8(ascii: "x")]
        }
        return text
    }
}

/// Runs a random test with a fresh seed, which is printed, or with the one in `LEDGER_TEST_SEED`.
func withSeed(
    _ name: String = #function, _ body: (inout SeededGenerator) throws -> Void
) rethrows {
    let seed = replayedSeed() ?? UInt64.random(in: 0...UInt64.max)
    print("\(name): LEDGER_TEST_SEED=\(seed)")
    var generator = SeededGenerator(seed: seed)
    try body(&generator)
}
