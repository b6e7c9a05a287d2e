import Foundation

/// Random numbers whose seed is shown, and can be given again as `LEDGER_TEST_SEED`.
package struct ReplayableRandom: RandomNumberGenerator {
    /// What brings the same numbers again.
    package let seed: UInt64
    private var state: UInt64

    /// - Parameter seed: nil takes the one that is given, or a fresh one.
    package init(seed: UInt64? = nil) {
        let given = ProcessInfo.processInfo.environment["LEDGER_TEST_SEED"].flatMap { UInt64($0) }
        self.seed = seed ?? given ?? UInt64.random(in: .min ... .max)
        state = self.seed
    }

    package var note: String { "LEDGER_TEST_SEED=\(seed)" }

    /// SplitMix64.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
