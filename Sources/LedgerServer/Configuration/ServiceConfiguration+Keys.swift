extension ServiceConfiguration {
    /// Names, keys, certificates, and what depends on them.
    mutating func readKeys(_ reader: SettingReader) throws(ConfigurationError) {
        origin = try Self.origin(reader) ?? origin
        signingKeyPath = try reader.pemFile(.signingKey)
        tls = try Self.tls(reader, .tlsCert, .tlsKey, .tlsClientCA)
        try readInternalTLS(reader)
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

    private mutating func readInternalTLS(_ reader: SettingReader) throws(ConfigurationError) {
        internalTLS = try Self.tls(reader, .internalTLSCert, .internalTLSKey, .internalTLSCA)
        if let internalTLS, internalTLS.clientCAPath == nil {
            throw ConfigurationError(
                SettingName.internalTLSCert.rawValue, value: internalTLS.certificatePath,
                accepted: "only together with \(SettingName.internalTLSCA.rawValue): replicas "
                    + "admit one another by their certificates")
        }
        if let text = reader.text(.internalTLSName) {
            guard let name = HostName.parse(text) else {
                throw ConfigurationError(
                    SettingName.internalTLSName.rawValue, value: text,
                    accepted: HostName.accepted)
            }
            internalTLSName = name
        }
        if let text = reader.text(.forwarding) {
            guard ["on", "off"].contains(text) else {
                throw ConfigurationError(
                    SettingName.forwarding.rawValue, value: text, accepted: "on or off")
            }
            isForwarding = text == "on"
        }
        if isForwarding, tls != nil, internalTLS == nil, internalToken == nil {
            // Callers are told apart, so replicas must be too: else any of them could speak for another.
            isForwarding = false
            warnings.append(
                "LEDGER_TLS_CERT is set, but neither LEDGER_INTERNAL_TLS_CERT nor "
                    + "LEDGER_INTERNAL_TOKEN: replicas could not be told from other callers, so the "
                    + "internal port stays closed and this replica seals for itself")
        }
    }

    private static func tls(
        _ reader: SettingReader, _ certificateName: SettingName, _ keyName: SettingName,
        _ clientCAName: SettingName
    ) throws(ConfigurationError) -> TLSFiles? {
        let certificate = try reader.pemFile(certificateName)
        let key = try reader.pemFile(keyName)
        let clientCA = try reader.pemFile(clientCAName)
        if let certificate, let key {
            return TLSFiles(certificatePath: certificate, keyPath: key, clientCAPath: clientCA)
        }
        if let certificate {
            throw ConfigurationError(
                certificateName.rawValue, value: certificate,
                accepted: "only together with \(keyName.rawValue)")
        }
        if let key {
            throw ConfigurationError(
                keyName.rawValue, value: key,
                accepted: "only together with \(certificateName.rawValue)")
        }
        if let clientCA {
            throw ConfigurationError(
                clientCAName.rawValue, value: clientCA,
                accepted: "only together with \(certificateName.rawValue) and "
                    + keyName.rawValue)
        }
        return nil
    }
}
