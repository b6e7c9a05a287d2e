import Foundation
import HTTPTransport
import LedgerCore
import ObjectStorage

extension ServiceConfiguration {
    /// Fewer events never stay in etcd: two ids segments, so that what is sealed now and what is trimmed never meet.
    static let leastRetained = 8_192
    private static let mostRetained = 1_000_000_000
    /// The longest secret that is read, in bytes.
    static let maxSecretBytes = 4_096

    /// Where sealed events are archived.
    mutating func readArchive(_ reader: SettingReader) {
        archiveInterval = reader.seconds(.archiveInterval, default: 30, 1...3_600)
        readRetention(reader)
        guard let text = reader.text(.archive) else {
            for name in Self.onlyWithBucket { refuse(name, reader, SettingName.archive.rawValue) }
            return
        }
        guard let location = try? ObjectLocation(parsing: text),
            ArchiveRecord.isLocation("\(location)")
        else {
            return reader.refuse(
                .archive, value: text,
                accepted:
                    "s3://bucket/prefix or file:///folder: a bucket of 3 to 63 lower-case letters, digits, "
                    + "'-' and '.', a prefix of A-Z, a-z, 0-9, '.', '_', '-' and '/', or an absolute path"
            )
        }
        guard !signers.isEmpty || !reader.areAccepted(.signingKey) else {
            return reader.refuse(
                .archive, value: text,
                accepted:
                    "only together with \(SettingName.signingKey.rawValue), for an archive is a log with "
                    + "signed checkpoints")
        }
        var settings = ArchiveSettings(location: location)
        switch location {
        case .folder:
            for name in Self.onlyWithBucket {
                refuse(name, reader, "\(SettingName.archive.rawValue)=s3://...")
            }
        case .s3(let bucket, _): readBucket(into: &settings, bucket, reader)
        }
        archive = settings
    }

    private static let onlyWithBucket: [SettingName] = [
        .archiveEndpoint, .archiveRegion, .archiveCACert, .archiveAddressing,
        .archiveConditionalPut, .archiveAccessKey, .archiveAccessKeyFile,
        .archiveSecretKey, .archiveSecretKeyFile, .archiveSessionToken, .archiveSessionTokenFile,
    ]

    private func refuse(_ name: SettingName, _ reader: SettingReader, _ other: String) {
        guard let value = reader.text(name) else { return }
        let accepted = "only together with \(other)"
        if name.isSecret {
            reader.refuse(ConfigurationError(secret: name.rawValue, accepted: accepted))
        } else {
            reader.refuse(name, value: value, accepted: accepted)
        }
    }

    private mutating func readRetention(_ reader: SettingReader) {
        if reader.text(.archiveRetain) == "all" {
            archiveRetention = .all
            return
        }
        let bounds = Self.leastRetained...Self.mostRetained
        let events = reader.integer(
            .archiveRetain, default: 1_000_000, bounds, unit: "events, or all")
        archiveRetention = .events(UInt64(events))
    }

    private func readBucket(
        into settings: inout ArchiveSettings, _ bucket: String, _ reader: SettingReader
    ) {
        if let text = reader.text(.archiveEndpoint) {
            let endpoint = HTTPOrigin(parsing: text) { $0 == .https ? 443 : 80 }
            if let endpoint, endpoint.scheme == .https || endpoint.isLoopback {
                settings.endpoint = endpoint
            } else {
                reader.refuse(
                    .archiveEndpoint, value: text.contains("@") ? "(not shown)" : text,
                    accepted:
                        "https://host, or http://host on this machine, with a port where it has one, "
                        + "without user, path and query")
            }
        }
        if let region = reader.text(.archiveRegion) {
            let isRegion =
                region.utf8.count <= 64
                && region.utf8.allSatisfy {
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                        || $0 == UInt8(ascii: "-")
                }
            if isRegion {
                settings.region = region
            } else {
                reader.refuse(
                    .archiveRegion, value: region,
                    accepted: "1...64 lower-case letters, digits and '-'")
            }
        }
        readTransport(into: &settings, bucket, reader)
        settings.accessKey = secret(.archiveAccessKey, .archiveAccessKeyFile, reader)
        settings.secretKey = secret(.archiveSecretKey, .archiveSecretKeyFile, reader)
        settings.sessionToken = secret(.archiveSessionToken, .archiveSessionTokenFile, reader)
        let given: [(name: SettingName, file: SettingName, secret: ArchiveSettings.Secret?)] = [
            (.archiveAccessKey, .archiveAccessKeyFile, settings.accessKey),
            (.archiveSecretKey, .archiveSecretKeyFile, settings.secretKey),
            (.archiveSessionToken, .archiveSessionTokenFile, settings.sessionToken),
        ]
        for (name, file, secret) in given.prefix(2)
        where secret == nil && reader.areAccepted(name, file) {
            reader.refuse(
                ConfigurationError(
                    missing: name.rawValue,
                    accepted:
                        "a bucket needs it, or \(file.rawValue) with the path of a file that holds it"
                ))
        }
        // They belong together and change together.
        let isInFiles = settings.accessKey?.path != nil
        for (name, file, secret) in given.dropFirst() {
            guard let secret, (secret.path != nil) != isInFiles else { continue }
            reader.refuse(
                ConfigurationError(
                    secret: isInFiles ? name.rawValue : file.rawValue,
                    accepted: "all of a bucket's credentials in files, or none"))
        }
    }

    /// How requests reach the bucket.
    private func readTransport(
        into settings: inout ArchiveSettings, _ bucket: String, _ reader: SettingReader
    ) {
        if let file = reader.pemFile(.archiveCACert) {
            settings.caCertificatePath = file.path
            _ = reader.accepted { () throws(ConfigurationError) in try file.certificates() }
        }
        settings.conditionalPut = reader.choice(.archiveConditionalPut, default: .automatic)
        settings.addressing = reader.choice(.archiveAddressing, default: .automatic)
        // Whether a bucket can be a host is the store's to say; its keys are none of that.
        var requests = S3Settings(
            bucket: bucket, credentials: .fixed(S3Credentials(accessKey: "-", secretKey: "-")))
        requests.region = settings.region
        requests.endpoint = settings.endpoint.map { "\($0)" }
        requests.addressing = settings.addressing
        do throws(ObjectStoreError) {
            try requests.validate()
        } catch {
            reader.refuse(
                .archiveAddressing, value: settings.addressing.rawValue,
                accepted: "what can work with the endpoint and the bucket: \(error.message)")
        }
    }

    /// A secret itself, or the path of a file that holds it and can be read now.
    private func secret(
        _ name: SettingName, _ fileName: SettingName, _ reader: SettingReader
    ) -> ArchiveSettings.Secret? {
        let value = reader.text(name)
        guard let path = reader.text(fileName) else {
            guard let value else { return nil }
            guard Self.isSecret(value) else {
                reader.refuse(
                    ConfigurationError(
                        secret: name.rawValue,
                        accepted:
                            "1...\(Self.maxSecretBytes) printable ASCII characters without spaces"))
                return nil
            }
            return .value(value)
        }
        if value != nil {
            reader.refuse(
                fileName, value: path, accepted: "not together with \(name.rawValue)")
            return nil
        }
        guard path.hasPrefix("/"), Self.isReadable(path) else {
            reader.refuse(
                fileName, value: path,
                accepted:
                    "the absolute path of a file that can be read, of at most \(Self.maxSecretBytes) bytes"
            )
            return nil
        }
        return .file(path)
    }

    private static func isSecret(_ text: String) -> Bool {
        (1...maxSecretBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    private static func isReadable(_ path: String) -> Bool {
        var information = stat()
        guard stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFREG,
            information.st_size <= maxSecretBytes
        else { return false }
        return access(path, R_OK) == 0
    }
}
