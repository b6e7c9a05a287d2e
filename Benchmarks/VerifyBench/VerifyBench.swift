internal import ArgumentParser
internal import LedgerCore

/// Measures how fast one core verifies stored events, beside plain SHA-256 over the bytes of the same entries.
@main
struct VerifyBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-bench",
        abstract: "Measure how many stored events one core verifies a second.",
        discussion: """
            Everything is in memory: blocks, tiles and ids are made once, then every round verifies all of them, and \
            hashes the entries' bytes once with SHA-256 for comparison. The report is one line of JSON.
            """)

    @Option(help: "Events of the ledger that is verified.")
    var events = 100_000

    @Option(help: "Events of each block.")
    var blockEvents = 256

    @Option(help: "Bytes of each payload.")
    var payloadBytes = 256

    @Option(help: "How often it is verified.")
    var rounds = 40

    mutating func validate() throws {
        guard (1...10_000_000).contains(events), (1...Block.maxEntries).contains(blockEvents),
            (0...40_000).contains(payloadBytes), (1...10_000).contains(rounds)
        else {
            throw ValidationError(
                "Numbers of events, bytes and rounds must be sensible.")
        }
    }

    func run() throws {
        let ledger = try MadeLedger(
            events: events, blockEvents: blockEvents, payloadBytes: payloadBytes)
        var verifying: [Double] = []
        var hashing: [Double] = []
        // The first round warms up caches and the branch predictor.
        for round in 0...rounds {
            let (hashed, verified) = (measure { ledger.hash() }, measure { ledger.verify() })
            if round > 0 {
                hashing.append(Double(events) / hashed)
                verifying.append(Double(events) / verified)
            }
        }
        print(
            BenchFigures(
                events: events, blockEvents: blockEvents, payloadBytes: payloadBytes,
                entryBytes: ledger.entryBytes / events, verified: Rates(verifying),
                hashed: Rates(hashing)
            ).json)
    }

    private func measure(_ body: () -> Void) -> Double {
        let begin = ContinuousClock.now
        body()
        return begin.duration(to: .now) / .seconds(1)
    }
}
