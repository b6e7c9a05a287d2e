import Foundation
import Testing

@testable import LedgerCore
@testable import LedgerServer

/// Three settings that belong together: a certificate, its key, and authorities.
struct PEMSettings: CustomTestStringConvertible, Sendable {
    let certificate: String
    let key: String
    let authorities: String
    var others: [String: String] = [:]
    /// Whether callers verify the certificate.
    var isServer = true

    var testDescription: String { key }

    static let all = [
        PEMSettings(
            certificate: "ETCD_CLIENT_CERT", key: "ETCD_CLIENT_KEY", authorities: "ETCD_CA_CERT",
            others: ["ETCD_ENDPOINTS": "https://a:2379"], isServer: false),
        PEMSettings(
            certificate: "LEDGER_TLS_CERT", key: "LEDGER_TLS_KEY",
            authorities: "LEDGER_TLS_CLIENT_CA", others: ["LEDGER_FORWARDING": "off"]),
        PEMSettings(
            certificate: "LEDGER_INTERNAL_TLS_CERT", key: "LEDGER_INTERNAL_TLS_KEY",
            authorities: "LEDGER_INTERNAL_TLS_CA"),
        PEMSettings(
            certificate: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            key: "OTEL_EXPORTER_OTLP_CLIENT_KEY", authorities: "OTEL_EXPORTER_OTLP_CERTIFICATE",
            others: ["OTEL_EXPORTER_OTLP_ENDPOINT": "https://a:4318"], isServer: false),
    ]
}

@Suite("PEM files of settings")
struct PEMSettingTests {
    private func load(_ environment: [String: String]) -> [ConfigurationError] {
        do throws(ConfigurationErrors) {
            _ = try ServiceConfiguration.load(
                environment: environment, workingDirectory: "/nonexistent")
            return []
        } catch {
            return error.errors
        }
    }

    private func load(
        _ settings: PEMSettings, certificate: String, key: String, authorities: String
    ) -> [ConfigurationError] {
        let files = [
            settings.certificate: certificate, settings.key: key, settings.authorities: authorities,
        ]
        return load(settings.others.merging(files) { $1 })
    }

    @Test(
        "What a collector is shown is a certificate and its key, and counts for nothing without TLS"
    )
    func collector() throws {
        let files = try KeyFiles.shared.get()
        let shown = [
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": files.certificate(.p256),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": files.key(.p256),
        ]
        for (name, path) in shown {
            let errors = load([name: path, "OTEL_EXPORTER_OTLP_ENDPOINT": "https://a:4318"])
            #expect(errors.map(\.variable) == [name], "without the other one")
        }
        for (scheme, count) in ["http": 2, "https": 0] {
            let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": "\(scheme)://a:4318"]
                .merging(shown) { $1 }
            let settings = try ServiceConfiguration.load(
                environment: environment, workingDirectory: "/nonexistent")
            let warnings = settings.warnings.filter { $0.contains("without TLS") }
            #expect(warnings.count == count, "\(scheme): \(settings.warnings)")
        }
    }

    @Test(
        "what another program is told of its collector's TLS keeps no ledger from starting",
        arguments: [nil, "http://a:4318"])
    func foreignCollector(_ endpoint: String?) throws {
        var environment = [
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nowhere/cert.pem",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem",
        ]
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        let settings = try ServiceConfiguration.load(
            environment: environment, workingDirectory: "/nonexistent")
        #expect(settings.warnings.count { $0.contains("counts for nothing") } == 2)
        #expect(CertificateExpiries(settings).settings == [], "nobody is told when they expire")
    }

    @Test(
        "PKCS #8, PKCS #1 and SEC 1, curve parameters before the key, CR LF: alike for every setting",
        arguments: PEMSettings.all)
    func notations(_ settings: PEMSettings) throws {
        let files = try KeyFiles.shared.get()
        let notations: [KeyFiles.Notation] = [
            .pkcs8, .traditional, .withParameters, .crlf, .withCertificate,
        ]
        for kind in [KeyFiles.Kind.rsa, .p256, .p384] {
            for notation in notations {
                let errors = load(
                    settings, certificate: files.certificate(kind),
                    key: files.key(kind, notation), authorities: files.certificate(kind))
                #expect(errors == [], "\(kind) \(notation)")
            }
        }
    }

    @Test(
        "An encrypted key is refused in one line, by its variable's name",
        arguments: PEMSettings.all)
    func encryptedKeys(_ settings: PEMSettings) throws {
        let files = try KeyFiles.shared.get()
        for notation in [KeyFiles.Notation.encrypted, .encryptedTraditional] {
            for kind in [KeyFiles.Kind.rsa, .p256] {
                let errors = load(
                    settings, certificate: files.certificate(kind),
                    key: files.key(kind, notation), authorities: files.certificate(kind))
                #expect(errors.map(\.variable) == [settings.key], "\(kind) \(notation)")
                #expect(errors.first?.message.contains("without a pass phrase") == true)
            }
        }
    }

    @Test(
        "A key that does not belong to the certificate is refused, naming both",
        arguments: PEMSettings.all)
    func strangers(_ settings: PEMSettings) throws {
        let files = try KeyFiles.shared.get()
        for (kind, other) in [(KeyFiles.Kind.rsa, KeyFiles.Kind.p256), (.p256, .p384)] {
            let errors = load(
                settings, certificate: files.certificate(kind), key: files.key(other),
                authorities: files.certificate(kind))
            #expect(errors.map(\.variable) == [settings.key])
            #expect(errors.first?.message.contains(settings.certificate) == true)
            #expect(errors.first?.message.contains(files.certificate(kind)) == true)
        }
    }

    @Test(
        "A server's certificate that many callers cannot verify is refused by its name",
        arguments: PEMSettings.all)
    func rareKeys(_ settings: PEMSettings) throws {
        let files = try KeyFiles.shared.get()
        for kind in [KeyFiles.Kind.ed25519, .p521] {
            let errors = load(
                settings, certificate: files.certificate(kind), key: files.key(kind),
                authorities: files.certificate(kind))
            #expect(errors.map(\.variable) == (settings.isServer ? [settings.certificate] : []))
        }
    }

    @Test("Several certificates in one file are all read, CR LF or not", arguments: PEMSettings.all)
    func chains(_ settings: PEMSettings) throws {
        let files = try KeyFiles.shared.get()
        try withTemporaryDirectory { directory in
            try KeyFiles.run(
                """
                cat '\(files.certificate(.p256))' '\(files.certificate(.rsa))' >chain.pem
                sed 's/$/\\r/' chain.pem >crlf.pem
                { cat chain.pem; echo -----BEGIN CERTIFICATE-----; echo AAAA
                  echo -----END CERTIFICATE-----; } >broken.pem
                """, in: URL(fileURLWithPath: directory))
            func errors(_ name: String) -> [ConfigurationError] {
                load(
                    settings, certificate: "\(directory)/\(name)", key: files.key(.p256),
                    authorities: "\(directory)/\(name)")
            }
            #expect(errors("chain.pem") == [])
            #expect(errors("crlf.pem") == [])
            #expect(
                Set(errors("broken.pem").map(\.variable))
                    == [settings.certificate, settings.authorities])
            let name = try #require(SettingName(rawValue: settings.authorities))
            let file = try PEMFile("\(directory)/crlf.pem", of: name)
            #expect(try file.certificates().count == 2)
        }
    }

    @Test(
        "What is no key, or no certificate, is refused by its own name", arguments: PEMSettings.all)
    func exchanged(_ settings: PEMSettings) throws {
        let files = try KeyFiles.shared.get()
        let errors = load(
            settings, certificate: files.key(.p256), key: files.certificate(.p256),
            authorities: files.publicKey(.p256))
        #expect(
            Set(errors.map(\.variable))
                == [settings.certificate, settings.key, settings.authorities])
    }

    @Test("Public keys: several files, several in one, Ed25519 and P-256, and nothing else")
    func publicKeys() throws {
        let files = try KeyFiles.shared.get()
        try withTemporaryDirectory { directory in
            try KeyFiles.run(
                """
                { openssl ecparam -name prime256v1; cat '\(files.publicKey(.p256))'
                  cat '\(files.publicKey(.ed25519))'; } | sed 's/$/\\r/' >both.pem
                """, in: URL(fileURLWithPath: directory))
            let both = "\(directory)/both.pem"
            let settings = try ServiceConfiguration.load(
                environment: ["LEDGER_VEPS_PUBLIC_KEYS": "\(both), \(files.publicKey(.p256))"],
                workingDirectory: directory)
            #expect(settings.vepsPublicKeyPaths == [both, files.publicKey(.p256)])
            #expect(settings.vepsPublicKeys.count == 3)
        }
        for other in [
            files.publicKey(.rsa), files.publicKey(.p384), files.key(.p256),
            files.certificate(.p256),
        ] {
            let errors = load(["LEDGER_VEPS_PUBLIC_KEYS": other])
            #expect(errors.map(\.variable) == ["LEDGER_VEPS_PUBLIC_KEYS"], "\(other)")
        }
    }

    @Test("A signing key that is encrypted, or no Ed25519 key, is refused for that")
    func signingKey() throws {
        let files = try KeyFiles.shared.get()
        func message(_ path: String) -> String {
            load(["LEDGER_SIGNING_KEY": path]).first?.message ?? ""
        }
        #expect(message(files.key(.ed25519, .encrypted)).contains("pass phrase"))
        #expect(message(files.key(.p256)).contains("Ed25519"))
        #expect(message(files.key(.p256)).contains("PKCS #8"))
    }

    @Test("Signing keys sign in the ledger's name, and former keys must have it")
    func signingKeys() throws {
        let files = try KeyFiles.shared.get()
        let settings = try ServiceConfiguration.load(
            environment: [
                "LEDGER_SIGNING_KEY": files.key(.ed25519), "LEDGER_ORIGIN": "ledger.example/a",
            ], workingDirectory: "/nowhere")
        let key = try #require(settings.signers.first?.verifier)
        #expect(settings.signers.count == 1 && key.name == "ledger.example/a")
        let former = ["LEDGER_FORMER_KEYS": key.verifierKey]
        let accepted = try ServiceConfiguration.load(
            environment: former.merging(["LEDGER_ORIGIN": "ledger.example/a"]) { $1 },
            workingDirectory: "/nowhere")
        #expect(accepted.formerKeys == [key])
        for wrong in [former, ["LEDGER_FORMER_KEYS": "a+b+c"]] {
            #expect(load(wrong).map(\.variable) == ["LEDGER_FORMER_KEYS"])
        }
    }
}
