internal import ObjectStorage

/// Where objects are, as the service's own variables say it.
enum ObjectPlaces {
    /// Opens a folder or a bucket; nothing is asked of it yet.
    static func open(
        _ location: String, environment: [String: String]
    ) throws(ObjectStoreError) -> any ObjectStore {
        switch try ObjectLocation(parsing: location) {
        case .folder(let path): return FolderStore(path: path)
        case .s3(let bucket, let prefix):
            var settings = S3Settings(
                bucket: bucket, prefix: prefix, credentials: try credentials(environment))
            settings.endpoint = value("LEDGER_ARCHIVE_ENDPOINT", environment)
            if let region = value("LEDGER_ARCHIVE_REGION", environment) {
                settings.region = region
            }
            settings.caCertificatePath = value("LEDGER_ARCHIVE_CA_CERT", environment)
            settings.addressing = try choice("LEDGER_ARCHIVE_ADDRESSING", environment) ?? .automatic
            settings.conditionalPut =
                try choice("LEDGER_ARCHIVE_CONDITIONAL_PUT", environment) ?? .automatic
            return try S3Store(settings)
        }
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String, _ environment: [String: String]
    ) throws(ObjectStoreError) -> Choice? {
        guard let text = value(name, environment) else { return nil }
        guard let choice = Choice(rawValue: text.lowercased()) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw ObjectStoreError(.configuration, "\(name) is one of \(names)")
        }
        return choice
    }

    private static func value(_ name: String, _ environment: [String: String]) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func credentials(
        _ environment: [String: String]
    ) throws(ObjectStoreError) -> S3CredentialSource {
        let name = "LEDGER_ARCHIVE_"
        if let accessKey = value(name + "ACCESS_KEY", environment),
            let secretKey = value(name + "SECRET_KEY", environment)
        {
            return .fixed(
                S3Credentials(
                    accessKey: accessKey, secretKey: secretKey,
                    sessionToken: value(name + "SESSION_TOKEN", environment)))
        }
        if let accessKey = value(name + "ACCESS_KEY_FILE", environment),
            let secretKey = value(name + "SECRET_KEY_FILE", environment)
        {
            return .files(
                accessKey: accessKey, secretKey: secretKey,
                sessionToken: value(name + "SESSION_TOKEN_FILE", environment))
        }
        throw ObjectStoreError(
            .configuration,
            "a bucket needs LEDGER_ARCHIVE_ACCESS_KEY and LEDGER_ARCHIVE_SECRET_KEY, or both with _FILE"
        )
    }
}
