import EtcdGateway
import Foundation
import Logging
import Testing

@testable import LedgerServer

@Suite("Settings together")
struct ServiceConfigurationTests {
    private func refusal(
        _ environment: [String: String], in directory: String = "/nonexistent"
    ) throws -> ConfigurationError {
        let errors = #expect(throws: ConfigurationErrors.self) {
            try ServiceConfiguration.load(
                environment: environment, workingDirectory: directory)
        }
        return try #require(errors?.errors.first)
    }

    @Test("Without any setting every default is the documented one")
    func defaults() throws {
        let settings = try ServiceConfiguration.load(
            environment: [:], workingDirectory: "/nonexistent")
        #expect(settings.etcd.endpoints.map(\.description) == ["http://localhost:2379"])
        #expect(settings.etcd.maxConnections == 25)
        #expect(settings.etcd.maxIdleConnections == 5)
        #expect(settings.etcd.connectionMaxLifetime == .seconds(3600))
        #expect(settings.etcd.connectionMaxIdleTime == .seconds(900))
        #expect(settings.etcd.requestTimeout == .milliseconds(1000))
        #expect(settings.etcd.connectTimeout == .milliseconds(500))
        #expect(settings.etcd.username == nil)
        #expect(settings.etcdHealthCheckInterval == .seconds(30))
        #expect(settings.etcdPingTimeout == .seconds(5))
        #expect(settings.port == 50051)
        #expect(settings.internalPort == 50052)
        #expect(settings.adminPort == 9464)
        #expect(settings.bindAddress == nil)
        #expect(settings.advertiseAddress == "127.0.0.1")
        #expect(settings.internalToken == nil)
        #expect(settings.prefix == "ledger/")
        #expect(settings.commitDeadline == .milliseconds(50))
        #expect(settings.resolveDeadline == .milliseconds(100))
        #expect(settings.maxPayloadBytes == 49_152)
        #expect(settings.maxClockSkew == .milliseconds(5000))
        #expect(settings.maxBatchEvents == 1024)
        #expect(settings.maxQueuedEvents == 16_384)
        #expect(settings.origin == "localhost/immutable-ledger")
        #expect(settings.signingKeyPaths.isEmpty)
        #expect(settings.tls == nil)
        #expect(settings.allowedSubmitters.isEmpty)
        #expect(settings.vepsPublicKeyPaths.isEmpty)
        #expect(settings.logLevel == .info)
        #expect(settings.logFormat == .text)
        #expect(settings.warnings.isEmpty)
    }

    @Test("The environment overrides the file, and the file the defaults")
    func precedence() throws {
        try withTemporaryDirectory { directory in
            try Data("LEDGER_PORT=1111\nLEDGER_ADMIN_PORT='2222' # free\n".utf8)
                .write(to: URL(fileURLWithPath: "\(directory)/.env"))
            let settings = try ServiceConfiguration.load(
                environment: ["LEDGER_PORT": "3333"], workingDirectory: directory)
            #expect(settings.port == 3333)
            #expect(settings.adminPort == 2222)
            #expect(settings.internalPort == 50052)
        }
    }

    @Test("The advertised address is the pod's where none is given")
    func advertisedAddress() throws {
        let pod = try ServiceConfiguration.load(
            environment: ["POD_IP": "10.1.2.3"], workingDirectory: "/nonexistent")
        #expect(pod.advertiseAddress == "10.1.2.3")
        let both = try ServiceConfiguration.load(
            environment: ["POD_IP": "10.1.2.3", "LEDGER_ADVERTISE_ADDRESS": "[fd00::1]"],
            workingDirectory: "/nonexistent")
        #expect(both.advertiseAddress == "fd00::1")
    }

    @Test("Several ports of 0 are no contradiction")
    func freePorts() throws {
        let settings = try ServiceConfiguration.load(
            environment: [
                "LEDGER_PORT": "0", "LEDGER_INTERNAL_PORT": "0", "LEDGER_ADMIN_PORT": "0",
                "LEDGER_TILES_PORT": "0",
            ], workingDirectory: "/nonexistent")
        #expect(settings.port == 0 && settings.internalPort == 0 && settings.adminPort == 0)
        #expect(settings.tilesPort == 0)
    }

    @Test("Tiles have no port of their own, and entries are served nowhere, unless that is said")
    func tiles() throws {
        let silent = try ServiceConfiguration.load(
            environment: [:], workingDirectory: "/nonexistent")
        #expect(silent.tilesPort == nil && !silent.servesEntries)
        let settings = try ServiceConfiguration.load(
            environment: ["LEDGER_TILES_PORT": "8080", "LEDGER_TILES_ENTRIES": "on"],
            workingDirectory: "/nonexistent")
        #expect(settings.tilesPort == 8080 && settings.servesEntries)
    }

    @Test("https endpoints need all three files, http ones none")
    func certificatesOfEtcd() throws {
        let keys = try KeyFiles.shared.get()
        let files = [
            "ETCD_CA_CERT": keys.certificate(.p384), "ETCD_CLIENT_CERT": keys.certificate(.p256),
            "ETCD_CLIENT_KEY": keys.key(.p256),
        ]
        let https = ["ETCD_ENDPOINTS": "https://a:2379,https://b:2379"]
        let settings = try ServiceConfiguration.load(
            environment: files.merging(https) { $1 }, workingDirectory: "/nonexistent")
        #expect(settings.etcd.caCertificatePath == keys.certificate(.p384))
        #expect(settings.etcd.clientCertificatePath == keys.certificate(.p256))
        #expect(settings.etcd.clientKeyPath == keys.key(.p256))
        for name in files.keys {
            var incomplete = files.merging(https) { $1 }
            incomplete[name] = nil
            #expect(try refusal(incomplete).variable == name)
            let alone = [name: files[name] ?? ""]
            #expect(try refusal(alone).variable == name)
        }
    }

    @Test("Certificate and key come together, and a client CA needs both")
    func tls() throws {
        let keys = try KeyFiles.shared.get()
        let cert = ["LEDGER_TLS_CERT": keys.certificate(.p256)]
        let key = ["LEDGER_TLS_KEY": keys.key(.p256)]
        let clientCA = ["LEDGER_TLS_CLIENT_CA": keys.certificate(.p384)]
        #expect(try refusal(cert).variable == "LEDGER_TLS_CERT")
        #expect(try refusal(key).variable == "LEDGER_TLS_KEY")
        #expect(try refusal(clientCA).variable == "LEDGER_TLS_CLIENT_CA")
        let all = cert.merging(key) { $1 }.merging(clientCA) { $1 }
        let submitters = ["LEDGER_ALLOWED_SUBMITTERS": "spiffe://a/b, veps"]
        let settings = try ServiceConfiguration.load(
            environment: all.merging(submitters) { $1 }, workingDirectory: "/nonexistent")
        #expect(
            settings.tls
                == .init(
                    certificatePath: keys.certificate(.p256), keyPath: keys.key(.p256),
                    clientCAPath: keys.certificate(.p384)))
        #expect(settings.allowedSubmitters.map(\.description) == ["spiffe://a/b", "veps"])
        let withoutCA = cert.merging(key) { $1 }.merging(submitters) { $1 }
        #expect(try refusal(withoutCA).variable == "LEDGER_ALLOWED_SUBMITTERS")
    }

    @Test("A file without PEM in it is refused, and its content is not repeated")
    func contentOfFiles() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/key.pem"
            try Data("hunter2".utf8).write(to: URL(fileURLWithPath: path))
            let error = try refusal(["LEDGER_SIGNING_KEY": path], in: directory)
            #expect(error.variable == "LEDGER_SIGNING_KEY")
            #expect(!error.message.contains("hunter2"))
        }
    }

    @Test("Every setting that is not accepted is told at once, by its own name")
    func allErrors() throws {
        let bad = [
            "LEDGER_PORT": "http", "LEDGER_PREFIX": "a b", "ETCD_PASSWORD": "hunter2",
            "LEDGER_MAX_BATCH_EVENTS": "0", "LEDGER_TLS_KEY": "/nowhere", "LOG_LEVEL": "loud",
            "ETCD_ENDPOINTS": "ftp://a", "LEDGER_VEPS_PUBLIC_KEYS": "/nowhere",
        ]
        let errors = try #require(
            #expect(throws: ConfigurationErrors.self) {
                try ServiceConfiguration.load(environment: bad, workingDirectory: "/nonexistent")
            })
        #expect(Set(errors.errors.map(\.variable)) == Set(bad.keys))
        #expect(errors.errors.count == bad.count)
        #expect(errors.description.split(separator: "\n").count == bad.count)
        #expect(!errors.description.contains("hunter2"))
    }

    @Test("What follows from a refused value is not refused too")
    func consequences() throws {
        let errors = try #require(
            #expect(throws: ConfigurationErrors.self) {
                try ServiceConfiguration.load(
                    environment: [
                        "LEDGER_COMMIT_DEADLINE_MS": "no", "LEDGER_RESOLVE_DEADLINE_MS": "20",
                        "LEDGER_MAX_BATCH_EVENTS": "no", "LEDGER_MAX_QUEUED_EVENTS": "5",
                        "LEDGER_PORT": "no", "LEDGER_INTERNAL_PORT": "50051",
                    ], workingDirectory: "/nonexistent")
            })
        #expect(
            errors.errors.map(\.variable).sorted() == [
                "LEDGER_COMMIT_DEADLINE_MS", "LEDGER_MAX_BATCH_EVENTS", "LEDGER_PORT",
            ])
    }

    @Test("No error shows a secret")
    func secrets() throws {
        let secret = "hunter2 with spaces\n"
        for environment in [
            ["ETCD_PASSWORD": secret], ["LEDGER_INTERNAL_TOKEN": secret],
            ["LEDGER_INTERNAL_TOKEN": String(repeating: "x", count: 1025)],
            ["ETCD_ENDPOINTS": "http://user:hunter2@host:1"],
        ] {
            let error = try refusal(environment)
            #expect(!error.message.contains("hunter2"))
            #expect(!error.message.contains("xxx"))
            #expect(environment.keys.contains(error.variable))
        }
    }

    @Test("Printed, dumped or mirrored, the settings show no secret")
    func printedSettings() throws {
        let settings = try ServiceConfiguration.load(
            environment: [
                "LEDGER_INTERNAL_TOKEN": "hunter2", "ETCD_USERNAME": "ledger",
                "ETCD_PASSWORD": "hunter2",
            ], workingDirectory: "/nonexistent")
        var dumped = ""
        dump(settings, to: &dumped)
        for text in ["\(settings)", String(reflecting: settings), dumped] {
            #expect(!text.contains("hunter2"))
            #expect(text.contains("50051"))
        }
    }

    @Test("Only the commit deadline set: the resolve deadline follows it")
    func deadlines() throws {
        let settings = try ServiceConfiguration.load(
            environment: ["LEDGER_COMMIT_DEADLINE_MS": "200"], workingDirectory: "/nonexistent")
        #expect(settings.resolveDeadline == .milliseconds(400))
        let error = try refusal([
            "LEDGER_COMMIT_DEADLINE_MS": "200", "LEDGER_RESOLVE_DEADLINE_MS": "199",
        ])
        #expect(error.variable == "LEDGER_RESOLVE_DEADLINE_MS")
        #expect(error.message.contains("LEDGER_COMMIT_DEADLINE_MS"))
    }

    @Test("Unknown names are told with the name that is probably meant")
    func unknownNames() throws {
        let settings = try ServiceConfiguration.load(
            environment: [
                "LEDGER_PROT": "1", "LEDGER_SOMETHING_ELSE_ENTIRELY": "secret",
                "ETCD_ENDPOINT": "x", "ETCD_DATA_DIR": "/var/lib/etcd", "PATH": "/bin",
                "LEDGER_SERVICE_HOST": "10.0.0.1", "LEDGER_PORT_50051_TCP_ADDR": "10.0.0.1",
            ], workingDirectory: "/nonexistent")
        #expect(
            settings.warnings == [
                "ETCD_ENDPOINT is not a setting of this service; is ETCD_ENDPOINTS meant?",
                "LEDGER_PROT is not a setting of this service; is LEDGER_PORT meant?",
                "LEDGER_SOMETHING_ELSE_ENTIRELY is not a setting of this service",
            ])
    }

    @Test("A short token is used, with a warning that does not repeat it")
    func shortToken() throws {
        let settings = try ServiceConfiguration.load(
            environment: ["LEDGER_INTERNAL_TOKEN": "hunter2"], workingDirectory: "/nonexistent")
        #expect(settings.internalToken == "hunter2")
        #expect(settings.warnings.count == 1)
        #expect(settings.warnings.allSatisfy { !$0.contains("hunter2") })
    }
}
