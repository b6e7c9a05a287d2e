import Foundation
import Testing

@testable import LedgerServer

@Suite("Settings of the archive")
struct ArchiveSettingTests {
    private func load(_ environment: [String: String]) throws -> ServiceConfiguration {
        let signing = ["LEDGER_SIGNING_KEY": try KeyFiles.shared.get().key(.ed25519)]
        return try ServiceConfiguration.load(
            environment: signing.merging(environment) { $1 }, workingDirectory: "/nonexistent")
    }

    private func refused(_ environment: [String: String]) throws -> [String] {
        let errors = #expect(throws: ConfigurationErrors.self) { try load(environment) }
        return errors?.errors.map(\.message) ?? []
    }

    /// A bucket with its credentials.
    private let bucket = [
        "LEDGER_ARCHIVE": "s3://ledger-events/payments/",
        "LEDGER_ARCHIVE_ENDPOINT": "https://storage.googleapis.com",
        "LEDGER_ARCHIVE_REGION": "europe-west3", "LEDGER_ARCHIVE_ACCESS_KEY": "hunter2-access",
        "LEDGER_ARCHIVE_SECRET_KEY": "hunter2-secret",
        "LEDGER_ARCHIVE_SESSION_TOKEN": "hunter2-token",
    ]

    @Test("a folder needs nothing but its path; a million events stay in etcd")
    func folder() throws {
        let settings = try load(["LEDGER_ARCHIVE": "file:///srv/archive/"])
        #expect(settings.archive.map { "\($0.location)" } == "file:///srv/archive")
        #expect(settings.archiveInterval == .seconds(30))
        #expect(settings.archiveRetention == .events(1_000_000))
        // Half of the cache is for the archive, and none where there is none.
        #expect(settings.archiveCacheBytes == 8 << 20 && settings.blockCacheBytes == 8 << 20)
        let none = try load([:])
        #expect(none.archive == nil && none.blockCacheBytes == 16 << 20)
        #expect(try load(["LEDGER_ARCHIVE_RETAIN_EVENTS": "all"]).archiveRetention == .all)
    }

    @Test("a bucket's settings are in force, and its secrets are not shown")
    func printed() throws {
        let settings = try load(bucket)
        #expect(settings.archive.map { "\($0.location)" } == "s3://ledger-events/payments")
        #expect(settings.archive?.endpoint.map { "\($0)" } == "https://storage.googleapis.com:443")
        #expect(settings.archive?.region == "europe-west3")
        #expect(settings.archive?.secretKey == .value("hunter2-secret"))
        let report = ConfigurationReport(settings)
        for text in [report.text, report.json, "\(settings)"] {
            #expect(!text.contains("hunter2"), "\(text)")
        }
        #expect(report.text.contains("LEDGER_ARCHIVE_SECRET_KEY=(set)"))
        #expect(report.text.contains("LEDGER_ARCHIVE=s3://ledger-events/payments\n"))
    }

    @Test("how a bucket is reached is in force, shown, and checked before anything is sent")
    func transport() throws {
        let usual = try load(bucket)
        #expect(usual.archive?.caCertificatePath == nil)
        let defaults = ConfigurationReport(usual).text
        #expect(defaults.contains("LEDGER_ARCHIVE_ADDRESSING=auto\n"))
        #expect(defaults.contains("LEDGER_ARCHIVE_CONDITIONAL_PUT=auto\n"))
        var environment = bucket
        let authority = try KeyFiles.shared.get().certificate(.p256)
        environment["LEDGER_ARCHIVE_CA_CERT"] = authority
        environment["LEDGER_ARCHIVE_ADDRESSING"] = "VIRTUAL"
        environment["LEDGER_ARCHIVE_CONDITIONAL_PUT"] = "off"
        let settings = try load(environment)
        #expect(settings.archive?.caCertificatePath == authority)
        let report = ConfigurationReport(settings)
        #expect(report.text.contains("LEDGER_ARCHIVE_ADDRESSING=virtual\n"))
        #expect(report.text.contains("LEDGER_ARCHIVE_CONDITIONAL_PUT=off\n"))
        #expect(CertificateExpiries(settings).expiry(of: .archiveCACert) != nil)
        for (name, value, word) in [
            ("LEDGER_ARCHIVE_ADDRESSING", "host", "auto, virtual, path"),
            ("LEDGER_ARCHIVE_CONDITIONAL_PUT", "yes", "auto, on, off"),
            ("LEDGER_ARCHIVE_CA_CERT", "/nowhere/ca.pem", "PEM"),
        ] {
            var wrong = bucket
            wrong[name] = value
            let refusals = try refused(wrong)
            #expect(refusals.count == 1 && refusals[0].contains(name), "\(refusals)")
            #expect(refusals.first?.contains(word) == true, "\(refusals)")
        }
        // No certificate is for a host with the bucket's dots, and none for a name below an address.
        environment["LEDGER_ARCHIVE"] = "s3://led.ger/payments"
        #expect(try refused(environment).first?.contains("'path'") == true)
        environment["LEDGER_ARCHIVE"] = bucket["LEDGER_ARCHIVE"]
        environment["LEDGER_ARCHIVE_ENDPOINT"] = "https://127.0.0.1:9000"
        #expect(try refused(environment).first?.contains("'path'") == true)
    }

    @Test("secrets may lie in files, and not in both")
    func files() throws {
        let file = FileManager.default.temporaryDirectory.appending(
            path: "secret-\(UUID().uuidString)")
        try Data("hunter2\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        var environment = bucket
        environment["LEDGER_ARCHIVE_SECRET_KEY"] = nil
        environment["LEDGER_ARCHIVE_SECRET_KEY_FILE"] = file.path
        #expect(try refused(environment).allSatisfy { $0.contains("or none") })
        environment["LEDGER_ARCHIVE_ACCESS_KEY"] = nil
        environment["LEDGER_ARCHIVE_ACCESS_KEY_FILE"] = file.path
        environment["LEDGER_ARCHIVE_SESSION_TOKEN"] = nil
        #expect(try load(environment).archive?.secretKey == .file(file.path))
        environment["LEDGER_ARCHIVE_SECRET_KEY"] = "hunter2"
        let both = try refused(environment)
        #expect(both.count == 1 && both[0].contains("LEDGER_ARCHIVE_SECRET_KEY_FILE"))
        environment["LEDGER_ARCHIVE_SECRET_KEY"] = nil
        for path in ["/nowhere/secret", "relative", "/"] {
            environment["LEDGER_ARCHIVE_SECRET_KEY_FILE"] = path
            #expect(try refused(environment).first?.contains("can be read") == true, "\(path)")
        }
    }

    @Test("what is missing or contradicts the rest is named")
    func contradictions() throws {
        var environment = bucket
        environment["LEDGER_ARCHIVE_SECRET_KEY"] = nil
        #expect(
            try refused(environment).first?.hasPrefix("LEDGER_ARCHIVE_SECRET_KEY is not set")
                == true)
        environment = bucket
        environment["LEDGER_ARCHIVE"] = "file:///srv/archive"
        let refusals = try refused(environment)
        #expect(refusals.count == 5, "\(refusals)")
        #expect(refusals.allSatisfy { $0.contains("only together with LEDGER_ARCHIVE=s3://") })
        #expect(refusals.allSatisfy { !$0.contains("hunter2") })
        environment = bucket
        environment["LEDGER_ARCHIVE_ENDPOINT"] = "https://user:hunter2@storage"
        #expect(try refused(environment).allSatisfy { !$0.contains("hunter2") })
        environment = bucket
        environment["LEDGER_ARCHIVE_ENDPOINT"] = "http://storage.example"
        #expect(try refused(environment).first?.contains("https://host") == true)
        environment["LEDGER_ARCHIVE_ENDPOINT"] = "http://127.0.0.1:9000"
        #expect(try load(environment).archive?.endpoint.map { "\($0)" } == "http://127.0.0.1:9000")
        environment["LEDGER_ARCHIVE_REGION"] = "EU"
        #expect(try refused(environment).first?.contains("lower-case letters") == true)
        environment = bucket
        environment["LEDGER_ARCHIVE_SECRET_KEY"] = "hunter 2"
        #expect(try refused(environment).first?.contains("(not shown)") == true)
        let keyless = #expect(throws: ConfigurationErrors.self) {
            try ServiceConfiguration.load(
                environment: ["LEDGER_ARCHIVE": "file:///srv/archive"],
                workingDirectory: "/nonexistent")
        }
        #expect(keyless?.description.contains("LEDGER_SIGNING_KEY") == true)
    }
}
