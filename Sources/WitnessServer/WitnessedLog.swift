package import LedgerCore

/// A log whose checkpoints a witness cosigns.
package struct WitnessedLog: Hashable, Sendable {
    /// The first line of its checkpoints: at most 255 bytes without white space.
    package let origin: String
    /// The keys of which one must have signed.
    package let keys: [NoteVerifier]

    package init(origin: String, keys: [NoteVerifier]) throws(FormatError) {
        guard Self.isValid(origin) else {
            throw FormatError(
                .invalidText, "an origin has 1 to 255 bytes without white space")
        }
        self.origin = origin
        self.keys = keys
    }

    /// The logs that options name, each `VERIFIERKEY` or `VERIFIERKEY=ORIGIN`; several keys of one origin are one log.
    package static func parse(_ options: [String]) throws(FormatError) -> [WitnessedLog] {
        var keys: [String: [NoteVerifier]] = [:]
        var origins: [String] = []
        for option in options {
            // The base64 of a key has no =, and the name before the first + is not looked at.
            let nameEnd = option.firstIndex(of: "+") ?? option.startIndex
            let keyEnd = option[nameEnd...].firstIndex(of: "=") ?? option.endIndex
            let key = try NoteVerifier(parsing: String(option[..<keyEnd]))
            let origin =
                keyEnd == option.endIndex ? key.name : String(option[keyEnd...].dropFirst())
            if let same = origins.first(where: { $0 == origin }) {
                // Swift takes texts for one that differ in their Unicode form alone; as bytes they are two.
                guard same.utf8.elementsEqual(origin.utf8) else {
                    throw FormatError(.invalidText, "two origins differ in their Unicode form only")
                }
            } else {
                origins.append(origin)
            }
            keys[origin, default: []].append(key)
        }
        var logs: [WitnessedLog] = []
        for origin in origins {
            logs.append(try WitnessedLog(origin: origin, keys: keys[origin] ?? []))
        }
        return logs
    }

    static func isValid(_ origin: String) -> Bool {
        (1...255).contains(origin.utf8.count)
            && origin.unicodeScalars.allSatisfy {
                !$0.properties.isWhitespace && $0.value >= 0x20 && $0.value != 0x7F
            }
    }
}
