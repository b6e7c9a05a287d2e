import Foundation

/// The seeds of a run: random ones, so that every run tests new worlds, or the one that is to be replayed.
///
/// `LEDGER_SIMULATION_SEED` replays one; `LEDGER_SIMULATION_FACTOR` multiplies how many are run.
enum Seeds {
    static func of(_ count: Int) -> [UInt64] {
        if let text = ProcessInfo.processInfo.environment["LEDGER_SIMULATION_SEED"],
            let seed = UInt64(text)
        {
            return [seed]
        }
        let factor =
            ProcessInfo.processInfo.environment["LEDGER_SIMULATION_FACTOR"]
            .flatMap { Int($0) } ?? 1
        return (0..<count * max(1, factor)).map { _ in UInt64.random(in: 1...UInt64.max) }
    }
}
