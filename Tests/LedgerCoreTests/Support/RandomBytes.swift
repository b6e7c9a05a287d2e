import TestSupport

extension ReplayableRandom {
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
    _ name: String = #function, _ body: (inout ReplayableRandom) throws -> Void
) rethrows {
    var generator = ReplayableRandom()
    print("\(name): \(generator.note)")
    try body(&generator)
}
