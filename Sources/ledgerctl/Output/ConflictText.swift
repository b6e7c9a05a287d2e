internal import LedgerClient

/// Says in words why an event conflicts with the one that is sealed under its id.
enum ConflictText {
    /// What differs, a line for each field, and what to do about it; nothing for other errors, or where the service
    /// did not say.
    static func lines(_ error: LedgerError) -> [String] {
        guard case .conflicting = error.kind else { return [] }
        return error.differingFields.map { field in
            switch field {
            case "veps_timestamp":
                "certified at another time: to submit the same event again, give --timestamp (without it, every "
                    + "run certifies anew). \"ledgerctl get --id ID --output json\" has it as veps_timestamp"
            case "payload": "another payload"
            case "metadata": "other metadata"
            default: "another \(Printable.escape(field))"
            }
        }
    }
}
