/// What became of a transaction whose fate was open, by the label values of `ledger_doubts_resolved_total`.
package enum DoubtLabel: String, Sendable, CaseIterable {
    case sealed
    case notSealed = "not_sealed"
}
