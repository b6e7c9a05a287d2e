/// A submission whose fields do not meet their bounds: every violation, in the order of the fields.
package struct InvalidEvent: Error, Hashable, Sendable, CustomStringConvertible {
    /// One field that does not meet its bounds.
    package struct Violation: Hashable, Sendable {
        /// The field's name in `CertifiedEvent` of the API.
        package let field: String

        /// What is accepted, written for the caller; never repeats the field's bytes.
        package let description: String

        package init(field: String, description: String) {
            self.field = field
            self.description = description
        }
    }

    /// At least one.
    package let violations: [Violation]

    package init(violations: [Violation]) {
        self.violations = violations
    }

    package var description: String {
        violations.map { "\($0.field): \($0.description)" }.joined(separator: "; ")
    }
}
