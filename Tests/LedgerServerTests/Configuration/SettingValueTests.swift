import Foundation
import Testing

@testable import LedgerServer

/// A value of one variable and whether the service starts with it, other things being equal.
struct SettingCase: CustomTestStringConvertible, Sendable {
    let variable: String
    let value: String
    let others: [String: String]

    var testDescription: String { "\(variable)=\(value)" }

    /// One variable with several values.
    static func cases(
        _ variable: String, _ values: [String], with others: [String: String] = [:]
    ) -> [SettingCase] {
        values.map { SettingCase(variable: variable, value: $0, others: others) }
    }
}

@Suite("One setting at a time")
struct SettingValueTests {
    static let good: [SettingCase] =
        SettingCase.cases(
            "ETCD_ENDPOINTS",
            ["http://localhost:2379", "http://a:1, http://b:65535", "http://[::1]:2379", ""])
        + SettingCase.cases("ETCD_USERNAME", ["ledger"], with: ["ETCD_PASSWORD": "x"])
        + SettingCase.cases("ETCD_PASSWORD", ["p w"], with: ["ETCD_USERNAME": "ledger"])
        + SettingCase.cases("ETCD_MAX_CONNECTIONS", ["1", "25", "1000", " 7 "])
        + SettingCase.cases("ETCD_MAX_IDLE_CONNECTIONS", ["0", "25"])
        + SettingCase.cases("ETCD_MAX_WAITING_REQUESTS", ["0", "256", "65536"])
        + SettingCase.cases("LEDGER_ETCD_QUOTA_BYTES", ["0", "8589934592", "1125899906842624"])
        + SettingCase.cases("LEDGER_STORAGE_RESERVE", ["0", "5", "50"])
        + SettingCase.cases("ETCD_CONNECTION_MAX_LIFETIME", ["1", "604800"])
        + SettingCase.cases("ETCD_CONNECTION_MAX_IDLE_TIME", ["1", "604800"])
        + SettingCase.cases("ETCD_REQUEST_TIMEOUT_MS", ["1", "60000"])
        + SettingCase.cases("ETCD_CONNECT_TIMEOUT_MS", ["1", "60000"])
        + SettingCase.cases("ETCD_HEALTH_CHECK_INTERVAL", ["1", "3600"])
        + SettingCase.cases("ETCD_PING_TIMEOUT", ["1", "60"])
        + SettingCase.cases("LEDGER_PORT", ["0", "1", "65535"])
        + SettingCase.cases("LEDGER_INTERNAL_PORT", ["0", "1", "65535"])
        + SettingCase.cases("LEDGER_ADMIN_PORT", ["0", "1", "65535"])
        + SettingCase.cases("LEDGER_TILES_PORT", ["0", "1", "65535"])
        + SettingCase.cases("LEDGER_TILES_ENTRIES", ["on", "off"])
        + SettingCase.cases("LEDGER_BIND_ADDRESS", ["127.0.0.1", "::", "[::1]", "localhost"])
        + SettingCase.cases(
            "LEDGER_ADVERTISE_ADDRESS", ["10.1.2.3", "fd00::1", "ledger-0.ledger.svc"])
        + SettingCase.cases("POD_IP", ["10.1.2.3", "fd00::1"])
        + SettingCase.cases("LEDGER_INTERNAL_TOKEN", ["t", "0123456789abcdef"])
        + SettingCase.cases("LEDGER_PREFIX", ["ledger/", "/a/b/"])
        + SettingCase.cases("LEDGER_COMMIT_DEADLINE_MS", ["1", "100", "60000"])
        + SettingCase.cases("LEDGER_RESOLVE_DEADLINE_MS", ["50", "60000"])
        + SettingCase.cases("LEDGER_MAX_PAYLOAD_BYTES", ["1", "65000"])
        + SettingCase.cases("LEDGER_MAX_CLOCK_SKEW_MS", ["1", "3600000"])
        + SettingCase.cases("LEDGER_MAX_BATCH_EVENTS", ["1", "1024"])
        + SettingCase.cases("LEDGER_MAX_QUEUED_EVENTS", ["1024", "1048576"])
        + SettingCase.cases("LEDGER_MAX_QUEUED_BYTES", ["65536", "1073741824"])
        + SettingCase.cases("LEDGER_MAX_LOOKUPS", ["1", "1024"])
        + SettingCase.cases("LEDGER_MAX_STREAM_EVENTS", ["1", "65536"])
        + SettingCase.cases("LEDGER_MAX_CONCURRENT_CALLS", ["1", "65536"])
        + SettingCase.cases("LEDGER_MAX_STREAM_BYTES", ["131072", "1073741824"])
        + SettingCase.cases("LEDGER_MAX_CONNECTIONS", ["1", "65536"])
        + SettingCase.cases("LEDGER_MAX_RESETS", ["100", "1048576"])
        + SettingCase.cases("LEDGER_MAX_ANSWER_BYTES", ["1048576", "68719476736"])
        + SettingCase.cases("LEDGER_MAX_CALLS", ["1", "1048576"])
        + SettingCase.cases("LEDGER_MAX_CONNECTION_BYTES", ["262144", "1073741824"])
        + SettingCase.cases("LEDGER_MAX_REQUEST_BYTES", ["262144", "68719476736"])
        + SettingCase.cases("LEDGER_MAX_METADATA_BYTES", ["1024", "1048576"])
        + SettingCase.cases("LEDGER_REQUEST_TIMEOUT_MS", ["100", "600000"])
        + SettingCase.cases("LEDGER_CONNECTION_MAX_AGE", ["0", "86400"])
        + SettingCase.cases("LEDGER_CONNECTION_MAX_AGE_GRACE", ["1", "3600"])
        + SettingCase.cases("LEDGER_CONNECTION_MAX_IDLE", ["1", "86400"])
        + SettingCase.cases("LEDGER_CACHE_BYTES", ["0", "1073741824"])
        + SettingCase.cases("LEDGER_OUTSIDE_CHECK_INTERVAL", ["1", "3600"])
        + SettingCase.cases("LEDGER_MAX_BULK_READS", ["1", "64"])
        + SettingCase.cases("LEDGER_MAX_BLOCK_READS", ["1", "1024"])
        + SettingCase.cases("LEDGER_MAX_WAITING_READS", ["1", "1048576"])
        + SettingCase.cases("LEDGER_MAX_LISTING_BYTES", ["1048576", "17179869184"])
        + SettingCase.cases("LEDGER_FOLLOW_BYTES", ["0", "1073741824"])
        + SettingCase.cases("LEDGER_AUDIT_EVENTS_PER_SECOND", ["0", "1000000"])
        + SettingCase.cases("LEDGER_AUDIT_INTERVAL", ["1", "86400"])
        + SettingCase.cases("LEDGER_ARCHIVE_INTERVAL", ["1", "3600"])
        + SettingCase.cases("LEDGER_ARCHIVE_RETAIN_EVENTS", ["8192", "1000000000", "all"])
        + SettingCase.cases("LEDGER_ORIGIN", ["ledger.example.com/payments"])
        + SettingCase.cases("LOG_LEVEL", ["trace", "debug", "info", "WARNING", "critical"])
        + SettingCase.cases("LOG_FORMAT", ["text", "json", "JSON"])
        + SettingCase.cases("LEDGER_AUDIT_LOG", ["off", "stdout", "STDERR", "/var/log/audit"])
        + SettingCase.cases(
            "OTEL_EXPORTER_OTLP_ENDPOINT", ["http://collector:4318", "https://a.example/otlp/"])
        + SettingCase.cases("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ["http://[::1]:4318/v1/traces"])
        + SettingCase.cases("OTEL_EXPORTER_OTLP_HEADERS", ["a=b", "api-key=x%20y, b=", " , "])
        + SettingCase.cases("OTEL_EXPORTER_OTLP_TIMEOUT", ["1", "60000"])
        + SettingCase.cases("OTEL_TRACES_SAMPLER", ["always_off", "parentbased_traceidratio"])
        + SettingCase.cases("OTEL_TRACES_SAMPLER_ARG", ["0", "0.25", "1"])
        + SettingCase.cases("OTEL_BSP_SCHEDULE_DELAY", ["100", "60000"])
        + SettingCase.cases("OTEL_BSP_MAX_QUEUE_SIZE", ["1", "65536"])
        + SettingCase.cases("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", ["1", "2048"])
        + SettingCase.cases("OTEL_SERVICE_NAME", ["ledger"])
        + SettingCase.cases("OTEL_RESOURCE_ATTRIBUTES", ["a.b=c,d=e%2Cf", "service.name=x"])

    static let bad: [SettingCase] =
        SettingCase.cases(
            "ETCD_ENDPOINTS",
            [
                "localhost:2379", "ftp://a:1", "http://a:0", "http://a:65536", "http://a:1,",
                "http://a:1,https://b:1", "http://a:1,http://a:1", "http://a:1/path",
            ])
        + SettingCase.cases("ETCD_USERNAME", ["ledger"])
        + SettingCase.cases("ETCD_CA_CERT", ["/nowhere/ca.pem", "/"])
        + SettingCase.cases("ETCD_CLIENT_CERT", ["/nowhere/client.pem"])
        + SettingCase.cases("ETCD_CLIENT_KEY", ["/nowhere/client-key.pem"])
        + SettingCase.cases("ETCD_MAX_CONNECTIONS", ["0", "1001", "-1", "many", "1.5", "٣"])
        + SettingCase.cases("ETCD_MAX_IDLE_CONNECTIONS", ["26", "-1"])
        + SettingCase.cases("ETCD_MAX_WAITING_REQUESTS", ["-1", "65537"])
        + SettingCase.cases("LEDGER_ETCD_QUOTA_BYTES", ["-1", "8GiB", "1125899906842625"])
        + SettingCase.cases("LEDGER_STORAGE_RESERVE", ["51", "-1", "5%"])
        + SettingCase.cases("ETCD_CONNECTION_MAX_LIFETIME", ["0", "604801", "1h"])
        + SettingCase.cases("ETCD_CONNECTION_MAX_IDLE_TIME", ["0", "604801", "1h"])
        + SettingCase.cases("ETCD_REQUEST_TIMEOUT_MS", ["0", "60001"])
        + SettingCase.cases("ETCD_CONNECT_TIMEOUT_MS", ["0", "60001"])
        + SettingCase.cases("ETCD_HEALTH_CHECK_INTERVAL", ["0", "3601"])
        + SettingCase.cases("ETCD_PING_TIMEOUT", ["0", "61"])
        + SettingCase.cases(
            "LEDGER_PORT",
            ["-1", "65536", "http", "99999999999999999999", "tcp://10.0.0.1:50051", "50052"])
        + SettingCase.cases("LEDGER_INTERNAL_PORT", ["-1", "65536", "50051"])
        + SettingCase.cases("LEDGER_ADMIN_PORT", ["-1", "65536", "50051", "50052"])
        + SettingCase.cases("LEDGER_TILES_PORT", ["-1", "65536", "50051", "50052", "9464", "off"])
        + SettingCase.cases("LEDGER_TILES_ENTRIES", ["yes", "1", "On"])
        + SettingCase.cases("LEDGER_BIND_ADDRESS", ["300.1.1.1", "a b", "1.2.3.4:80", "[x]"])
        + SettingCase.cases("LEDGER_ADVERTISE_ADDRESS", ["10.1.2", "http://a", "a:50052", "-a"])
        + SettingCase.cases("POD_IP", ["10.1.2"])
        + SettingCase.cases(
            "LEDGER_PREFIX", ["a b", "é", "a\u{0}b", String(repeating: "a", count: 257)])
        + SettingCase.cases("LEDGER_COMMIT_DEADLINE_MS", ["0", "60001", "50ms"])
        + SettingCase.cases("LEDGER_RESOLVE_DEADLINE_MS", ["0", "49", "60001"])
        + SettingCase.cases("LEDGER_MAX_PAYLOAD_BYTES", ["0", "65001"])
        + SettingCase.cases("LEDGER_MAX_CLOCK_SKEW_MS", ["0", "3600001"])
        + SettingCase.cases("LEDGER_MAX_BATCH_EVENTS", ["0", "1025"])
        + SettingCase.cases("LEDGER_MAX_QUEUED_EVENTS", ["0", "1023", "1048577"])
        + SettingCase.cases("LEDGER_MAX_QUEUED_BYTES", ["65535", "1073741825"])
        + SettingCase.cases("LEDGER_MAX_LOOKUPS", ["0", "1025"])
        + SettingCase.cases("LEDGER_MAX_STREAM_EVENTS", ["0", "65537"])
        + SettingCase.cases("LEDGER_MAX_CONCURRENT_CALLS", ["0", "65537"])
        + SettingCase.cases("LEDGER_MAX_STREAM_BYTES", ["131071", "1073741825"])
        + SettingCase.cases("LEDGER_MAX_CONNECTIONS", ["0", "65537"])
        + SettingCase.cases("LEDGER_MAX_RESETS", ["99", "1048577"])
        + SettingCase.cases("LEDGER_MAX_ANSWER_BYTES", ["1048575", "68719476737"])
        + SettingCase.cases("LEDGER_MAX_CALLS", ["0", "1048577"])
        + SettingCase.cases("LEDGER_MAX_CONNECTION_BYTES", ["262143", "1073741825"])
        + SettingCase.cases("LEDGER_MAX_REQUEST_BYTES", ["262143", "68719476737"])
        + SettingCase.cases("LEDGER_MAX_METADATA_BYTES", ["1023", "1048577"])
        + SettingCase.cases("LEDGER_REQUEST_TIMEOUT_MS", ["99", "600001"])
        + SettingCase.cases("LEDGER_CONNECTION_MAX_AGE", ["-1", "86401"])
        + SettingCase.cases("LEDGER_CONNECTION_MAX_AGE_GRACE", ["0", "3601"])
        + SettingCase.cases("LEDGER_CONNECTION_MAX_IDLE", ["0", "86401"])
        + SettingCase.cases("LEDGER_CACHE_BYTES", ["-1", "1073741825"])
        + SettingCase.cases("LEDGER_OUTSIDE_CHECK_INTERVAL", ["0", "3601"])
        + SettingCase.cases("LEDGER_FORMER_KEYS", ["a+b+c", ","])
        + SettingCase.cases("LEDGER_MAX_BULK_READS", ["0", "65"])
        + SettingCase.cases("LEDGER_MAX_BLOCK_READS", ["0", "1025"])
        + SettingCase.cases("LEDGER_MAX_WAITING_READS", ["0", "1048577"])
        + SettingCase.cases("LEDGER_MAX_LISTING_BYTES", ["1048575", "17179869185"])
        + SettingCase.cases("LEDGER_FOLLOW_BYTES", ["-1", "1073741825"])
        + SettingCase.cases("LEDGER_AUDIT_EVENTS_PER_SECOND", ["-1", "1000001"])
        + SettingCase.cases("LEDGER_AUDIT_INTERVAL", ["0", "86401"])
        + SettingCase.cases(
            "LEDGER_ORIGIN", ["a b", "a+b", "a\u{85}b", String(repeating: "a", count: 256)])
        + SettingCase.cases("LEDGER_SIGNING_KEY", ["/nowhere/key.pem"])
        + SettingCase.cases("LEDGER_FORMER_KEYS", ["a", "a+b+c"])
        + SettingCase.cases(
            "LEDGER_WITNESSES",
            ["a", "a+b+c=https://w.example", OutsideSettingTests.witness + "=http://w.example"])
        + SettingCase.cases("LEDGER_WITNESS_CA_CERT", ["/nowhere/ca.pem"])
        + SettingCase.cases(
            "LEDGER_EXTERNAL_CHECKPOINT", ["ftp://a/b", "http://a/?b", "/some/checkpoint"])
        + SettingCase.cases(
            "LEDGER_ARCHIVE",
            [
                "/folder", "file://folder", "file:///", "s3://A", "s3://bucket/a b", "https://a/b",
                "file:///needs/a/signing/key",
            ])
        + SettingCase.cases("LEDGER_ARCHIVE_ENDPOINT", ["https://storage.example"])
        + SettingCase.cases("LEDGER_ARCHIVE_REGION", ["eu-central-1"])
        + SettingCase.cases("LEDGER_ARCHIVE_CA_CERT", ["/nowhere/ca.pem"])
        + SettingCase.cases("LEDGER_ARCHIVE_ADDRESSING", ["path"])
        + SettingCase.cases("LEDGER_ARCHIVE_CONDITIONAL_PUT", ["on"])
        + SettingCase.cases("LEDGER_ARCHIVE_ACCESS_KEY", ["key"])
        + SettingCase.cases("LEDGER_ARCHIVE_ACCESS_KEY_FILE", ["/nowhere/key"])
        + SettingCase.cases("LEDGER_ARCHIVE_SECRET_KEY", ["key"])
        + SettingCase.cases("LEDGER_ARCHIVE_SECRET_KEY_FILE", ["/nowhere/key"])
        + SettingCase.cases("LEDGER_ARCHIVE_SESSION_TOKEN", ["token"])
        + SettingCase.cases("LEDGER_ARCHIVE_SESSION_TOKEN_FILE", ["/nowhere/token"])
        + SettingCase.cases("LEDGER_ARCHIVE_INTERVAL", ["0", "3601", "30s"])
        + SettingCase.cases(
            "LEDGER_ARCHIVE_RETAIN_EVENTS", ["8191", "1000000001", "-1", "everything"])
        + SettingCase.cases("LEDGER_TLS_CERT", ["/nowhere/cert.pem"])
        + SettingCase.cases("LEDGER_TLS_KEY", ["/nowhere/key.pem"])
        + SettingCase.cases("LEDGER_TLS_CLIENT_CA", ["/nowhere/ca.pem"])
        + SettingCase.cases("LEDGER_ALLOWED_SUBMITTERS", ["a", "a,,b", "a,a", "spiffe://*/a"])
        + SettingCase.cases("LEDGER_ALLOWED_READERS", ["a", "*", "a b", "spiffe://d/a*"])
        + SettingCase.cases("LEDGER_RATE_LIMIT", ["0", "1/", "x", "-1", "10000001"])
        + SettingCase.cases("LEDGER_RATE_LIMIT_PER_SUBMITTER", ["0/1", "1/2/3", "1.5"])
        + SettingCase.cases("LEDGER_INTERNAL_TLS_CERT", ["/nowhere/cert.pem"])
        + SettingCase.cases("LEDGER_INTERNAL_TLS_KEY", ["/nowhere/key.pem"])
        + SettingCase.cases("LEDGER_INTERNAL_TLS_CA", ["/nowhere/ca.pem"])
        + SettingCase.cases("LEDGER_INTERNAL_TLS_NAME", ["a b", "10.1.2", "http://a"])
        + SettingCase.cases("LEDGER_FORWARDING", ["yes", "ON", "0"])
        + SettingCase.cases("LEDGER_DIRECT_SUBMIT", ["yes", "ON", "0"])
        + SettingCase.cases("LEDGER_VEPS_PUBLIC_KEYS", ["/nowhere/a.pem", ","])
        + SettingCase.cases("LOG_LEVEL", ["verbose", "1"])
        + SettingCase.cases("LOG_FORMAT", ["xml"])
        + SettingCase.cases("LEDGER_AUDIT_LOG", ["/nowhere/audit", "/dev/null/audit"])
        + SettingCase.cases(
            "OTEL_EXPORTER_OTLP_ENDPOINT", ["collector:4318", "grpc://a:1", "http://u@a:1"])
        + SettingCase.cases("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ["http://a:1/b?c", "a"])
        + SettingCase.cases(
            "OTEL_EXPORTER_OTLP_HEADERS",
            [
                "a", "=b", "a b=c", "a=%", "a=%zz", "host=x", "Content-Type=x", "a=%0d%0ab:c",
                String(repeating: "a=b,", count: 17), "a=" + String(repeating: "b", count: 8_192),
            ])
        + SettingCase.cases(
            "OTEL_EXPORTER_OTLP_CERTIFICATE", ["/nowhere/ca.pem"],
            with: ["OTEL_EXPORTER_OTLP_ENDPOINT": "https://a:4318"])
        + SettingCase.cases(
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", ["/nowhere/cert.pem"],
            with: ["OTEL_EXPORTER_OTLP_ENDPOINT": "https://a:4318"])
        + SettingCase.cases(
            "OTEL_EXPORTER_OTLP_CLIENT_KEY", ["/nowhere/key.pem"],
            with: ["OTEL_EXPORTER_OTLP_ENDPOINT": "https://a:4318"])
        + SettingCase.cases("OTEL_EXPORTER_OTLP_TIMEOUT", ["0", "60001", "10s"])
        + SettingCase.cases("OTEL_TRACES_SAMPLER", ["on", "jaeger_remote"])
        + SettingCase.cases("OTEL_TRACES_SAMPLER_ARG", ["-0.1", "1.1", "nan", "half"])
        + SettingCase.cases("OTEL_BSP_SCHEDULE_DELAY", ["99", "60001"])
        + SettingCase.cases("OTEL_BSP_MAX_QUEUE_SIZE", ["0", "65537"])
        + SettingCase.cases("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", ["0", "2049", "4097"])
        + SettingCase.cases("OTEL_SERVICE_NAME", [String(repeating: "a", count: 129)])
        + SettingCase.cases("OTEL_RESOURCE_ATTRIBUTES", ["a", "a=b,a=c", "=c"])

    @Test("A value within bounds is accepted", arguments: good)
    func accepts(_ setting: SettingCase) throws {
        try withTemporaryDirectory { directory in
            var environment = setting.others
            environment[setting.variable] = setting.value
            _ = try ServiceConfiguration.load(
                environment: environment, workingDirectory: directory)
        }
    }

    @Test("A value out of bounds stops the start with one line", arguments: bad)
    func refuses(_ setting: SettingCase) throws {
        try withTemporaryDirectory { directory in
            var environment = setting.others
            environment[setting.variable] = setting.value
            let errors = #expect(throws: ConfigurationErrors.self) {
                try ServiceConfiguration.load(
                    environment: environment, workingDirectory: directory)
            }
            let error = errors?.errors.first
            let message = try #require(error?.message)
            #expect(message.hasPrefix(error?.variable ?? "?"))
            #expect(message.contains(setting.variable))
            #expect(!message.contains { $0.isNewline })
            #expect(message.contains(": "))
        }
    }

    @Test("Every variable has a case that is refused, but for those whose values are checked later")
    func tableIsComplete() {
        let tested = Set(Self.bad.map(\.variable))
        let missing = SettingName.allCases.map(\.rawValue).filter { !tested.contains($0) }
        // Their refusals are secret and tested by themselves.
        #expect(missing.sorted() == ["ETCD_PASSWORD", "LEDGER_INTERNAL_TOKEN"])
    }

    @Test("A value of Kubernetes' service links is explained")
    func serviceLinks() throws {
        let error = #expect(throws: ConfigurationErrors.self) {
            try ServiceConfiguration.load(
                environment: ["LEDGER_PORT": "tcp://10.0.0.1:50051"],
                workingDirectory: "/nonexistent")
        }
        #expect(error?.description.contains("enableServiceLinks") == true)
    }
}
