internal import ArgumentParser

/// For whom results are written.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// For people.
    case text
    /// For programs: one object a line.
    case json
}
