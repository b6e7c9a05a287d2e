import Foundation

/// The `.env` file: `NAME=value` a line, `#` comments, optional quotes.
///
/// The same as what shells and container tools read: `export` before a name is allowed, an unquoted
/// value ends before ` #`, a value in single quotes is taken as it is, and in double quotes `\n`,
/// `\t`, `\"`, `\$` and `\\` are escapes. The last line of a name wins. Nothing is expanded.
package enum DotEnvFile {
    /// The file's name in the working directory.
    package static let name = ".env"
    /// The longest file that is read.
    package static let maxBytes = 1 << 20

    /// Reads the file of a directory; an absent one is empty.
    ///
    /// - Throws: A file that cannot be read or does not follow the form, by its line's number and
    ///   without the line's content, for that may be a secret.
    package static func load(
        workingDirectory: String
    ) throws(ConfigurationError) -> [String: String] {
        let path = workingDirectory.isEmpty ? name : "\(workingDirectory)/\(name)"
        guard FileManager.default.fileExists(atPath: path) else { return [:] }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigurationError(name, value: path, accepted: "a file that can be read")
        }
        guard data.count <= maxBytes, let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationError(
                name, value: path, accepted: "a text file in UTF-8 of at most \(maxBytes) bytes")
        }
        return try parse(text)
    }

    /// Reads the file's text.
    package static func parse(_ text: String) throws(ConfigurationError) -> [String: String] {
        var values: [String: String] = [:]
        // The line ends of shells and of container tools; other programs end no line at U+2028 or a form feed.
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (index, line) in lines.enumerated() {
            var line = trimmed(line)
            if index == 0, line.unicodeScalars.first == "\u{FEFF}" {
                line = line.dropFirst()
            }
            guard !line.isEmpty, line.first != "#" else { continue }
            guard let (name, value) = assignment(line) else {
                throw ConfigurationError(
                    Self.name, value: "line \(index + 1)",
                    accepted: "NAME=value, with quotes in pairs, or a comment after #")
            }
            values[name] = value
        }
        return values
    }

    private static func assignment(_ line: Substring) -> (name: String, value: String)? {
        guard let equals = line.firstIndex(of: "=") else { return nil }
        var name = trimmed(line[..<equals])
        if name.hasPrefix("export "), let space = name.firstIndex(of: " ") {
            name = trimmed(name[space...])
        }
        let isName =
            !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        guard isName, let value = value(trimmed(line[line.index(after: equals)...])) else {
            return nil
        }
        return (String(name), value)
    }

    private static func value(_ text: Substring) -> String? {
        switch text.first {
        case "'": quoted(text, by: "'", hasEscapes: false)
        case "\"": quoted(text, by: "\"", hasEscapes: true)
        default: unquoted(text)
        }
    }

    private static func unquoted(_ text: Substring) -> String {
        var previousIsSpace = true
        for index in text.indices {
            if text[index] == "#", previousIsSpace {
                return String(trimmed(text[..<index]))
            }
            previousIsSpace = text[index].isWhitespace
        }
        return String(text)
    }

    private static func quoted(
        _ text: Substring, by quote: Character, hasEscapes: Bool
    ) -> String? {
        var value = ""
        var rest = text.dropFirst()
        while let character = rest.popFirst() {
            if character == quote {
                let tail = trimmed(rest)
                return tail.isEmpty || tail.first == "#" ? value : nil
            }
            guard hasEscapes, character == "\\" else {
                value.append(character)
                continue
            }
            guard let escaped = rest.popFirst() else { return nil }
            switch escaped {
            case "n": value.append("\n")
            case "t": value.append("\t")
            case "\\", "\"", "$": value.append(escaped)
            default: value += "\\\(escaped)"
            }
        }
        return nil
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
