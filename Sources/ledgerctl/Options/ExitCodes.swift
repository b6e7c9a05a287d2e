internal import ArgumentParser
internal import LedgerClient

/// What the exit code says; `ledgerctl --help` explains it.
enum ExitCodes {
    static let failure: Int32 = 1
    static let notSealed: Int32 = 3
    static let outcomeUnknown: Int32 = 4
    static let conflicting: Int32 = 5
    static let notFound: Int32 = 6
    static let verificationFailed: Int32 = 7
    static let unavailable: Int32 = 8

    /// The code for an error.
    static func code(for error: LedgerError) -> Int32 {
        switch error.kind {
        case .corrupt: return verificationFailed
        case .duplicate: return 0
        case .conflicting: return conflicting
        case .notFound: return notFound
        default: break
        }
        if error.sealed == .unknown { return outcomeUnknown }
        switch error.kind {
        case .unavailable, .timedOut, .notYetCovered: return unavailable
        default: return error.sealed == .no ? notSealed : failure
        }
    }

    /// The code for several errors: the one that asks most urgently for something to be done.
    static func worst(_ codes: Set<Int32>) -> Int32 {
        let order = [
            verificationFailed, outcomeUnknown, conflicting, notSealed, unavailable, notFound,
            failure,
        ]
        return order.first(where: codes.contains) ?? 0
    }
}
