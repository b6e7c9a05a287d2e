import Foundation

/// The seed of a run that is to be repeated.
func replayedSeed() -> UInt64? {
    ProcessInfo.processInfo.environment["LEDGER_TEST_SEED"].flatMap { UInt64($0) }
}
