extension ServiceConfiguration {
    /// Names, keys, certificates, and what depends on them.
    mutating func readKeys(_ reader: SettingReader) throws(ConfigurationError) {
        origin = try Self.origin(reader) ?? origin
        signingKeyPath = try reader.pemFile(.signingKey)
        tls = try Self.tls(reader)
        allowedSubmitters = try reader.list(.allowedSubmitters)
        if !allowedSubmitters.isEmpty, tls?.clientCAPath == nil {
            throw ConfigurationError(
                SettingName.allowedSubmitters.rawValue,
                value: allowedSubmitters.joined(separator: ","),
                accepted: "only together with \(SettingName.tlsClientCA.rawValue), for without "
                    + "client certificates no caller has a name")
        }
        vepsPublicKeyPaths = try reader.pemFiles(.vepsPublicKeys)
    }

    /// The key name of a C2SP signed note: no white space and no `+`.
    private static func origin(_ reader: SettingReader) throws(ConfigurationError) -> String? {
        guard let text = reader.text(.origin) else { return nil }
        let isName = text.unicodeScalars.allSatisfy { scalar in
            !scalar.properties.isWhitespace && scalar != "+"
                && scalar.properties.generalCategory != .control
        }
        guard isName, text.utf8.count <= 255 else {
            throw ConfigurationError(
                SettingName.origin.rawValue, value: text,
                accepted: "1...255 bytes without white space and +")
        }
        return text
    }

    private static func tls(_ reader: SettingReader) throws(ConfigurationError) -> TLSFiles? {
        let certificate = try reader.pemFile(.tlsCert)
        let key = try reader.pemFile(.tlsKey)
        let clientCA = try reader.pemFile(.tlsClientCA)
        if let certificate, let key {
            return TLSFiles(certificatePath: certificate, keyPath: key, clientCAPath: clientCA)
        }
        if let certificate {
            throw ConfigurationError(
                SettingName.tlsCert.rawValue, value: certificate,
                accepted: "only together with \(SettingName.tlsKey.rawValue)")
        }
        if let key {
            throw ConfigurationError(
                SettingName.tlsKey.rawValue, value: key,
                accepted: "only together with \(SettingName.tlsCert.rawValue)")
        }
        if let clientCA {
            throw ConfigurationError(
                SettingName.tlsClientCA.rawValue, value: clientCA,
                accepted: "only together with \(SettingName.tlsCert.rawValue) and "
                    + SettingName.tlsKey.rawValue)
        }
        return nil
    }
}
