import Configuration
import Foundation

/// Reads and checks one setting at a time; the environment overrides the `.env` file.
///
/// Values are read as text and parsed here, for an error must show what was written.
struct SettingReader {
    private let reader: ConfigReader

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

    /// The value, or nil where it is not set or empty; spaces around it do not count.
    func text(_ name: SettingName) -> String? {
        // One key component of capitals and underscores is kept as it is by the provider.
        let key = ConfigKey([name.rawValue])
        guard let value = reader.string(forKey: key, isSecret: name.isSecret) else { return nil }
        // A secret is taken as it is; it may end in a space on purpose.
        let kept = name.isSecret ? value : value.trimmingCharacters(in: .whitespaces)
        return kept.isEmpty ? nil : kept
    }

    /// A whole decimal number within bounds.
    func integer(
        _ name: SettingName, default fallback: Int, _ bounds: ClosedRange<Int>, unit: String = ""
    ) throws(ConfigurationError) -> Int {
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
            throw ConfigurationError(name.rawValue, value: text, accepted: accepted)
        }
        return number
    }

    /// A duration in whole milliseconds.
    func milliseconds(
        _ name: SettingName, default fallback: Int, _ bounds: ClosedRange<Int>
    ) throws(ConfigurationError) -> Duration {
        .milliseconds(try integer(name, default: fallback, bounds, unit: "milliseconds"))
    }

    /// A duration in whole seconds.
    func seconds(
        _ name: SettingName, default fallback: Int, _ bounds: ClosedRange<Int>
    ) throws(ConfigurationError) -> Duration {
        .seconds(try integer(name, default: fallback, bounds, unit: "seconds"))
    }

    /// Comma-separated parts without the spaces around them; none may be empty or come twice.
    func list(_ name: SettingName) throws(ConfigurationError) -> [String] {
        guard let text = text(name) else { return [] }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard parts.allSatisfy({ !$0.isEmpty }), Set(parts).count == parts.count else {
            throw ConfigurationError(
                name.rawValue, value: text,
                accepted: "a comma-separated list without empty or repeated parts")
        }
        return parts
    }

    /// The path of a readable PEM file; its content stays unread but for the mark of PEM.
    func pemFile(_ name: SettingName) throws(ConfigurationError) -> String? {
        guard let path = text(name) else { return nil }
        try Self.checkPEMFile(path, of: name)
        return path
    }

    /// The paths of readable PEM files.
    func pemFiles(_ name: SettingName) throws(ConfigurationError) -> [String] {
        let paths = try list(name)
        for path in paths {
            try Self.checkPEMFile(path, of: name)
        }
        return paths
    }

    private static func checkPEMFile(
        _ path: String, of name: SettingName
    ) throws(ConfigurationError) {
        // FileHandle opens a directory too, but cannot read it.
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw ConfigurationError(
                name.rawValue, value: path, accepted: "the path of a PEM file that can be read")
        }
        defer { try? handle.close() }
        let mark = Data("-----BEGIN ".utf8)
        guard let content = try? handle.read(upToCount: 1 << 20), content.range(of: mark) != nil
        else {
            throw ConfigurationError(
                name.rawValue, value: path,
                accepted: "the path of a PEM file (a text with -----BEGIN ...-----)")
        }
    }
}
