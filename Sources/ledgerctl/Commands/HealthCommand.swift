internal import ArgumentParser
internal import LedgerClient

struct HealthCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask whether events can be sealed, and how everything behind the service is.",
        discussion: "The exit code is 8 where events cannot be sealed now.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await withClient { client in
            let health = try await client.health()
            let details = try await client.detailedHealth()
            switch options.output {
            case .text: try Console.write(Self.text(health, details))
            case .json: try Console.write(JSONLine.encode(HealthReportJSON(health, details)))
            }
            if !health.isHealthy { throw ExitCode(ExitCodes.unavailable) }
        }
    }

    /// The report for people.
    static func text(_ health: ServiceHealth, _ details: HealthReport) -> String {
        var fields = [
            ("status", health.status),
            ("seals events", health.isHealthy ? "yes" : "no"),
            ("last number", "\(health.lastSequenceNumber)"),
            ("health", "\(details.status.rawValue) \(Printable.escape(details.message))"),
            ("checked", "\(details.checkedAt), in \(details.checkDurationMilliseconds) ms"),
        ]
        for dependency in details.dependencies {
            fields.append((Printable.escape(dependency.name), describe(dependency)))
        }
        return EventText.table(fields)
    }

    private static func describe(_ dependency: HealthReport.Dependency) -> String {
        var text = dependency.status.rawValue
        if dependency.isCritical { text += ", critical" }
        text += ", \(dependency.responseTimeMilliseconds) ms"
        if let pool = dependency.pool {
            text += ", connections \(pool.active) active, \(pool.idle) idle of \(pool.maximum)"
        }
        for part in [dependency.message, dependency.error] where !part.isEmpty {
            text += "; " + Printable.escape(part)
        }
        return text
    }
}
