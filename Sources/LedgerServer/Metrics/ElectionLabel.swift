/// What changed in who seals, by the label values of `ledger_elections_total`.
package enum ElectionLabel: String, Sendable, CaseIterable {
    /// This replica holds the hint now.
    case became
    /// This replica forwards to another one now.
    case followed
    /// Another replica took the hint from this one.
    case deposed
    /// The sealer refused, or did not answer.
    case doubted
    /// Events are sealed beside a sealer that cannot be used.
    case direct
    /// This replica gave the hint back.
    case gaveBack = "gave_back"
}
