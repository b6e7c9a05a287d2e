/// The values of `ledger_lookups_running{of}` and `ledger_lookups_waiting{of}`.
package enum LookUpLabel: String, Sendable, CaseIterable {
    /// Submitted events whose id the index may know; counted in blocks that are read.
    case duplicates
    /// Forwarded events whose fate is open, or that were sealed before; counted in events.
    case forwards
}
