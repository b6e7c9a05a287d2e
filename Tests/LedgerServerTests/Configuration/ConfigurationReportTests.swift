import Foundation
import Testing

@testable import LedgerServer

@Suite("Printed settings")
struct ConfigurationReportTests {
    private func report(_ environment: [String: String]) throws -> ConfigurationReport {
        ConfigurationReport(
            try ServiceConfiguration.load(
                environment: environment, workingDirectory: "/nonexistent"))
    }

    private func members(_ report: ConfigurationReport) throws -> [String: String?] {
        try JSONDecoder().decode([String: String?].self, from: Data(report.json.utf8))
    }

    @Test("Every setting is there, as text and as JSON, with its default")
    func complete() throws {
        let report = try report([:])
        let names = SettingName.allCases.filter { $0 != .podIP }.map(\.rawValue)
        #expect(
            report.text.split(separator: "\n").map { String($0.prefix { $0 != "=" }) } == names)
        let members = try members(report)
        #expect(Set(members.keys) == Set(names))
        #expect(members["LEDGER_COMMIT_DEADLINE_MS"] == "50")
        #expect(members["ETCD_ENDPOINTS"] == "http://localhost:2379")
        #expect(members["LEDGER_TLS_CERT"] == .some(nil))
    }

    @Test("What is printed and set again is in force again")
    func roundTrip() throws {
        let environment = [
            "LEDGER_MAX_CLOCK_SKEW_MS": "1234", "ETCD_PING_TIMEOUT": "7",
            "LEDGER_PREFIX": "a/\"b\"",
            "LEDGER_FORWARDING": "off", "LEDGER_DIRECT_SUBMIT": "off",
            "LEDGER_ADVERTISE_ADDRESS": "fd00::1", "LOG_FORMAT": "JSON",
        ]
        let first = try report(environment)
        let printed = try members(first).compactMapValues { $0 }.filter { $1 != "not set" }
        #expect(try report(printed).json == first.json)
    }

    @Test("Of secrets only whether they are set")
    func secrets() throws {
        let report = try report([
            "LEDGER_INTERNAL_TOKEN": "hunter2-hunter2-hunter2", "ETCD_USERNAME": "ledger",
            "ETCD_PASSWORD": "hunter2", "OTEL_EXPORTER_OTLP_HEADERS": "key=hunter2",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        ])
        #expect(!report.text.contains("hunter2") && !report.json.contains("hunter2"))
        #expect(report.text.contains("ETCD_PASSWORD=(set)"))
        #expect(report.text.contains("OTEL_EXPORTER_OTLP_HEADERS=(set)"))
        #expect(try members(report)["LEDGER_INTERNAL_TOKEN"] == "set")
        #expect(try members(self.report([:]))["LEDGER_INTERNAL_TOKEN"] == "not set")
    }
}
