import Configuration
import Foundation

/// Reads and checks one setting at a time; the environment overrides the `.env` file.
///
/// Values are read as text and parsed here, for an error must show what was written. What is not accepted is kept in
/// `errors`, and reading goes on with the default: an operator wants to know of everything at once.
final class SettingReader {
    private let reader: ConfigReader
    /// Everything that is not accepted, in the order of reading.
    private(set) var errors: [ConfigurationError] = []

    /// Reads from the environment first, then from the `.env` file's values.
    init(environment: [String: String], file: [String: String]) {
        let secrets = Set(SettingName.allCases.filter(\.isSecret).map(\.rawValue))
        reader = ConfigReader(providers: [
            EnvironmentVariablesProvider(
                environmentVariables: environment, secretsSpecifier: .specific(secrets)),
            EnvironmentVariablesProvider(
                environmentVariables: file, secretsSpecifier: .specific(secrets)),
        ])
    }

    // MARK: Errors

    /// Keeps an error; of several of one variable the first.
    func refuse(_ error: ConfigurationError) {
        guard !errors.contains(where: { $0.variable == error.variable }) else { return }
        errors.append(error)
    }

    /// Refuses a value that may be shown.
    func refuse(_ name: SettingName, value: String, accepted: String) {
        refuse(ConfigurationError(name.rawValue, value: value, accepted: accepted))
    }

    /// What the body makes, or nil where it is not accepted.
    func accepted<Value>(_ body: () throws(ConfigurationError) -> Value) -> Value? {
        do throws(ConfigurationError) {
            return try body()
        } catch {
            refuse(error)
            return nil
        }
    }

    /// Whether none of these was refused so far, so that they may be compared with one another.
    func areAccepted(_ names: SettingName...) -> Bool {
        !errors.contains { error in names.contains { $0.rawValue == error.variable } }
    }

    // MARK: Values

    /// The value, or nil where it is not set or empty; spaces around it do not count.
    func text(_ name: SettingName) -> String? {
        // One key component of capitals and underscores is kept as it is by the provider.
        let key = ConfigKey([name.rawValue])
        if let file = secretFile(name) {
            return accepted { () throws(ConfigurationError) in try file.read() }
        }
        guard let value = reader.string(forKey: key, isSecret: name.isSecret) else { return nil }
        // A secret is taken as it is; it may end in a space on purpose.
        let kept = name.isSecret ? value : value.trimmingCharacters(in: .whitespaces)
        return kept.isEmpty ? nil : kept
    }

    /// The file in which a secret is; nil where none is named. Both a value and a file are one too many.
    func secretFile(_ name: SettingName) -> SecretFile? {
        guard let variant = name.fileVariant,
            let path = reader.string(forKey: ConfigKey([variant]))?.trimmingCharacters(
                in: .whitespaces), !path.isEmpty
        else { return nil }
        if let value = reader.string(forKey: ConfigKey([name.rawValue]), isSecret: true),
            !value.isEmpty
        {
            refuse(
                ConfigurationError(
                    variant, value: path, accepted: "only where \(name.rawValue) is not set"))
        }
        return SecretFile(name: variant, path: path)
    }

    /// A whole decimal number within bounds.
    func integer(
        _ name: SettingName, default fallback: Int, _ bounds: ClosedRange<Int>, unit: String = ""
    ) -> Int {
        guard let text = text(name) else { return fallback }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let isDecimal = text.utf8.allSatisfy { digits.contains($0) }
        guard isDecimal, let number = Int(text), bounds.contains(number) else {
            let unit = unit.isEmpty ? "" : " \(unit)"
            var accepted = "a whole number of \(bounds.lowerBound)...\(bounds.upperBound)\(unit)"
            if text.hasPrefix("tcp://") || text.hasPrefix("udp://") {
                accepted +=
                    "; Kubernetes sets this name for a Service: set enableServiceLinks: false"
            }
            refuse(name, value: text, accepted: accepted)
            return fallback
        }
        return number
    }

    /// A duration in whole milliseconds.
    func milliseconds(
        _ name: SettingName, default fallback: Int, _ bounds: ClosedRange<Int>
    ) -> Duration {
        .milliseconds(integer(name, default: fallback, bounds, unit: "milliseconds"))
    }

    /// A duration in whole seconds.
    func seconds(
        _ name: SettingName, default fallback: Int, _ bounds: ClosedRange<Int>
    ) -> Duration {
        .seconds(integer(name, default: fallback, bounds, unit: "seconds"))
    }

    /// `on` or `off`; nil where it is not set.
    func isOn(_ name: SettingName) -> Bool? {
        guard let text = text(name) else { return nil }
        if !["on", "off"].contains(text) { refuse(name, value: text, accepted: "on or off") }
        return text != "off"
    }

    /// Comma-separated parts without the spaces around them; none may be empty or come twice.
    func list(_ name: SettingName) -> [String] {
        guard let text = text(name) else { return [] }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard parts.allSatisfy({ !$0.isEmpty }), Set(parts).count == parts.count else {
            refuse(
                name, value: text,
                accepted: "a comma-separated list without empty or repeated parts")
            return []
        }
        return parts
    }

    /// One of the names of an enumeration, in capitals or not.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: SettingName, default fallback: Choice
    ) -> Choice {
        guard let text = text(name) else { return fallback }
        guard let choice = Choice(rawValue: text.lowercased()) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            refuse(name, value: text, accepted: names)
            return fallback
        }
        return choice
    }

    /// An IP address or a host name, without brackets.
    func host(_ name: SettingName) -> String? {
        guard let text = text(name) else { return nil }
        guard let host = HostName.parse(text) else {
            refuse(name, value: text, accepted: HostName.accepted)
            return nil
        }
        return host
    }

    /// A PEM file that can be read.
    func pemFile(_ name: SettingName) -> PEMFile? {
        guard let path = text(name) else { return nil }
        return accepted { () throws(ConfigurationError) in try PEMFile(path, of: name) }
    }

    /// PEM files that can be read; the others are refused.
    func pemFiles(_ name: SettingName) -> [PEMFile] {
        list(name).compactMap { path in
            accepted { () throws(ConfigurationError) in try PEMFile(path, of: name) }
        }
    }
}
