/// How a submission ended, by the label values of `ledger_submissions_total`.
package enum SubmissionOutcomeLabel: String, Sendable, CaseIterable {
    /// A number was given.
    case sealed
    /// The same content was sealed before.
    case duplicate
    /// Other content is sealed under the id.
    case conflicting
    /// A field broke a rule.
    case invalid
    /// More than can be sealed in time, or no space.
    case overloaded
    /// Certainly not sealed, for another reason.
    case notSealed = "not_sealed"
    /// The event may have been sealed.
    case unknown
    /// The caller may not submit, or its signature is wrong.
    case denied
}
