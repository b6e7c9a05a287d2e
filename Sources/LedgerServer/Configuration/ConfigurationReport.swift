/// The settings in force, as `ledger-service --print-config` writes them. Secrets are not in it.
package struct ConfigurationReport: Sendable {
    private let values: [(name: String, value: ServiceConfiguration.Value)]

    /// - Parameter errors: What was not accepted; these settings are left out.
    package init(_ configuration: ServiceConfiguration, without errors: [ConfigurationError] = []) {
        let refused = Set(errors.map(\.variable))
        values = configuration.values.map { ($0.name.rawValue, $0.value) }
            .filter { !refused.contains($0.0) }
    }

    /// For people: `NAME=value`, a line for each setting.
    package var text: String {
        values.map { name, value in
            let shown =
                switch value {
                case .text(let text): ConfigurationError.oneLine(text ?? "")
                case .secret(let isSet): isSet ? "(set)" : "(not set)"
                }
            return "\(name)=\(shown)"
        }.joined(separator: "\n")
    }

    /// For programs: one JSON object with a member for each setting, which is its value as text, or null where there is
    /// none; for a secret, `set` or `not set`.
    package var json: String {
        let members = values.map { name, value in
            let json =
                switch value {
                case .text(let text): text.map(JSONText.quoted) ?? "null"
                case .secret(let isSet): JSONText.quoted(isSet ? "set" : "not set")
                }
            return "  \(JSONText.quoted(name)): \(json)"
        }
        return "{\n" + members.joined(separator: ",\n") + "\n}"
    }
}
