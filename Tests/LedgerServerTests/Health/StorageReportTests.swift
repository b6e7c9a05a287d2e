import EtcdHealth
import LedgerAPI
import Testing

@testable import LedgerServer

@Suite("How full etcd is, as health shows it")
struct StorageReportTests {
    @Test("without a quota it is left out")
    func unknownQuota() {
        #expect(StorageReport(databaseBytes: 9_000_000).dependency == nil)
    }

    @Test("the reserve degrades, and says so")
    func reserve() {
        let full = StorageReport(
            databaseBytes: 950_000, quotaBytes: 1_000_000, limitBytes: 950_000, secondsUntilFull: 0)
        #expect(full.dependency?.status == .degraded)
        #expect(full.dependency?.error == "storage_reserve")
    }

    @Test("the forecast is told in words and in seconds, and degrades in the last hour")
    func forecast() {
        var report = StorageReport(
            databaseBytes: 150_000, quotaBytes: 1_000_000, limitBytes: 950_000,
            secondsUntilFull: 1_600)
        let shown = report.dependency
        #expect(shown?.status == .degraded && shown?.error == "")
        #expect(shown?.metadata["seconds_until_full"] == "1600")
        #expect(shown?.message.contains("full in about 26 min") ?? false, "\(shown?.message ?? "")")
        report.secondsUntilFull = 3_600
        #expect(report.dependency?.status == .healthy)
    }
}
