/// A setting that stops the start, in one line for the operator.
package struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The name of the environment variable, or of the file with settings.
    package let variable: String
    /// The line to print: the variable, its value (never a secret's) and what is accepted.
    package let message: String

    package var description: String { message }

    /// Refuses a value that may be shown, unless it is of a kind in which secrets stand.
    package init(_ variable: String, value: String, accepted: String) {
        let shown = Self.mayHoldSecret(value, of: variable) ? "(not shown)" : Self.printable(value)
        self.init(variable, shown: "\"\(shown)\"", accepted: accepted)
    }

    /// Refuses a value that must not be shown, such as a password or a token.
    package init(secret variable: String, accepted: String) {
        self.init(variable, shown: "(not shown)", accepted: accepted)
    }

    /// Refuses the absence of a value.
    package init(missing variable: String, accepted: String) {
        self.variable = variable
        message = Self.oneLine("\(variable) is not set: \(accepted)")
    }

    private init(_ variable: String, shown: String, accepted: String) {
        self.variable = variable
        message = Self.oneLine("\(variable)=\(shown) is not accepted: \(accepted)")
    }

    /// Whether a value looks like a URL with a user or a query, like a key in the place of a file's path, or like a secret
    /// where the path of its file is meant.
    private static func mayHoldSecret(_ value: String, of variable: String) -> Bool {
        if value.contains("://"), value.contains("@") || value.contains("?") { return true }
        if value.contains("-----BEGIN") { return true }
        return variable.hasSuffix("_FILE") && !value.hasPrefix("/")
    }

    /// Cuts a value to what fits a line of a log.
    private static func printable(_ value: String) -> String {
        value.count > 200 ? String(value.prefix(200)) + "..." : value
    }

    /// Replaces what would begin a second line or move a terminal's cursor.
    static func oneLine(_ text: String) -> String {
        var line = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control
            let isSeparator = scalar.value == 0x2028 || scalar.value == 0x2029
            line.append(isControl || isSeparator ? "?" : scalar)
        }
        return String(line)
    }
}
