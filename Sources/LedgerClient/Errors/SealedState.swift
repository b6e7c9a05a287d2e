/// Whether the event of a failed submission is in the ledger.
public enum SealedState: String, Sendable, Hashable {
    /// It is sealed.
    case yes

    /// It is not sealed, and this submission never will be.
    case no

    /// Nobody can tell yet. Submit the same event again: it is never sealed twice.
    case unknown
}
