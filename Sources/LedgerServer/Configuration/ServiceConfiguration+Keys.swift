import LedgerCore

extension ServiceConfiguration {
    /// Names, keys, certificates, and what depends on them.
    mutating func readKeys(_ reader: SettingReader) {
        origin = Self.origin(reader) ?? origin
        readSigningKeys(reader)
        readFormerKeys(reader)
        tls = Self.tls(reader, .callers)
        readInternalTLS(reader)
        readAccess(reader)
        readPublicKeys(reader)
        closeInternalPortWithoutCredential()
    }

    /// The key name of a C2SP signed note: no white space and no `+`.
    private static func origin(_ reader: SettingReader) -> String? {
        guard let text = reader.text(.origin) else { return nil }
        let isName = text.unicodeScalars.allSatisfy { scalar in
            !scalar.properties.isWhitespace && scalar != "+"
                && scalar.properties.generalCategory != .control
        }
        guard isName, text.utf8.count <= 255 else {
            reader.refuse(
                .origin, value: text, accepted: "1...255 bytes without white space and +")
            return nil
        }
        return text
    }

    /// So many keys may sign beside one another: an old and a new one, and two more.
    private static let maxSigningKeys = 4

    private mutating func readSigningKeys(_ reader: SettingReader) {
        let files = reader.pemFiles(.signingKey)
        signingKeyPaths = files.map(\.path)
        guard files.count <= Self.maxSigningKeys else {
            reader.refuse(
                .signingKey, value: signingKeyPaths.joined(separator: ","),
                accepted: "at most \(Self.maxSigningKeys) PEM files with Ed25519 private keys")
            return
        }
        signers = files.compactMap { file in
            reader.accepted { () throws(ConfigurationError) in
                let key = try file.signingKey()
                guard let signer = try? NoteSigner(name: origin, privateKey: key) else {
                    throw file.refusal("a PEM file with an Ed25519 private key (PKCS #8)")
                }
                return signer
            }
        }
    }

    private mutating func readFormerKeys(_ reader: SettingReader) {
        let texts = reader.list(.formerKeys)
        formerKeys = texts.compactMap { try? NoteVerifier(parsing: $0) }
        guard formerKeys.count == texts.count, formerKeys.allSatisfy({ $0.name == origin }) else {
            reader.refuse(
                .formerKeys, value: texts.joined(separator: ","),
                accepted: "comma-separated verifier keys with the name \(origin), as ledgerctl "
                    + "keygen prints them")
            formerKeys = []
            return
        }
    }

    private mutating func readPublicKeys(_ reader: SettingReader) {
        let files = reader.pemFiles(.vepsPublicKeys)
        vepsPublicKeyPaths = files.map(\.path)
        vepsPublicKeys = files.flatMap { file in
            reader.accepted { () throws(ConfigurationError) in try file.publicKeys() } ?? []
        }
    }

    private mutating func readInternalTLS(_ reader: SettingReader) {
        internalTLS = Self.tls(reader, .replicas)
        if let internalTLS, internalTLS.clientCAPath == nil {
            reader.refuse(
                .internalTLSCert, value: internalTLS.certificatePath,
                accepted: "only together with \(SettingName.internalTLSCA.rawValue): replicas "
                    + "admit one another by their certificates")
        }
        internalTLSName = reader.host(.internalTLSName) ?? internalTLSName
        isForwarding = reader.isOn(.forwarding) ?? isForwarding
    }

    private static func tls(_ reader: SettingReader, _ names: TLSFiles.Names) -> TLSFiles? {
        let certificate = reader.text(names.certificate)
        let key = reader.text(names.key)
        let clientCA = reader.text(names.clientCA)
        reader.checkPair(names.certificate, names.key, isServer: true)
        let authorities = reader.pemFile(names.clientCA)
        _ = reader.accepted { () throws(ConfigurationError) in try authorities?.certificates() }
        if let certificate, let key {
            return TLSFiles(
                certificatePath: certificate, keyPath: key, clientCAPath: clientCA, names: names)
        }
        reader.requireTogether(names.certificate, names.key)
        if certificate == nil, key == nil, let clientCA {
            reader.refuse(
                names.clientCA, value: clientCA,
                accepted: "only together with \(names.certificate.rawValue) and "
                    + names.key.rawValue)
        }
        return nil
    }
}
