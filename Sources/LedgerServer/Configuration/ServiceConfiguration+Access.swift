extension ServiceConfiguration {
    /// Who may submit and read, and how much.
    mutating func readAccess(_ reader: SettingReader) {
        allowedSubmitters = callers(.allowedSubmitters, reader)
        allowedReaders = callers(.allowedReaders, reader)
        rateLimit = Self.rateLimit(.rateLimit, reader)
        rateLimitPerSubmitter = Self.rateLimit(.rateLimitPerSubmitter, reader)
    }

    private func callers(_ name: SettingName, _ reader: SettingReader) -> [CallerPattern] {
        let texts = reader.list(name)
        let patterns = texts.compactMap { CallerPattern($0) }
        if patterns.count != texts.count {
            let wrong = texts.first { CallerPattern($0) == nil } ?? ""
            reader.refuse(name, value: wrong, accepted: CallerPattern.accepted)
        } else if !patterns.isEmpty, tls?.clientCAPath == nil {
            reader.refuse(
                name, value: texts.joined(separator: ","),
                accepted: "only together with \(SettingName.tlsClientCA.rawValue), for without "
                    + "client certificates no caller has a name")
        }
        return patterns
    }

    private static func rateLimit(_ name: SettingName, _ reader: SettingReader) -> RateLimit? {
        guard let text = reader.text(name) else { return nil }
        guard let limit = RateLimit(text) else {
            reader.refuse(name, value: text, accepted: RateLimit.accepted)
            return nil
        }
        return limit
    }
}
