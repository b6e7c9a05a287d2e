/// Everything that stops the start, for the operator to correct at once.
package struct ConfigurationErrors: Error, Sendable, CustomStringConvertible {
    /// One at least, each with the name of its variable, in the order of reading.
    package let errors: [ConfigurationError]

    /// A line for each.
    package var description: String { errors.map(\.message).joined(separator: "\n") }
}
