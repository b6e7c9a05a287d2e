/// Something that a test waited for, or relied on, did not come about.
package struct TestFailure: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Waits until a condition holds, asking again and again, and throws when it does not in time.
///
/// - Parameters:
///   - what: The condition in words, for the failure.
///   - limit: Generous: it is reached only when something is broken.
///   - pause: Between two questions.
package func eventually(
    _ what: String, within limit: Duration = .seconds(30),
    every pause: Duration = .milliseconds(20), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw TestFailure("within \(limit) it did not come about that \(what)")
        }
        // There is nothing to be woken by: the other side is another process.
        try await Task.sleep(for: pause)
    }
}
