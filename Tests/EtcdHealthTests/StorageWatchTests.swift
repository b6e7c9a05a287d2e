import EtcdGateway
import TestSupport
import Testing

@testable import EtcdHealth

@Suite("How full etcd is")
struct StorageWatchTests {
    private static let start = ContinuousClock.now
    private static let quota = 1_000_000

    private func status(_ port: Int, _ bytes: Int64, quota: Int64 = 0) -> EtcdMemberStatus {
        var status = EtcdSamples.status(of: EtcdSamples.endpoint(port))
        status.dbSize = bytes
        status.dbSizeQuota = quota
        return status
    }

    private func watch(_ quota: Int = StorageWatchTests.quota, reserve: Int = 5) -> StorageWatch {
        StorageWatch(quotaBytes: quota, reservePercent: reserve)
    }

    @Test("without a quota nothing is refused, and nothing is forecast")
    func unknownQuota() {
        let watch = watch(0)
        watch.take([status(1, 5_000_000)], at: Self.start)
        watch.take([status(1, 9_000_000)], at: Self.start + .seconds(60))
        #expect(watch.roomBytes == nil)
        #expect(!watch.report.isFull && watch.report.secondsUntilFull == nil)
        #expect(watch.pause > .seconds(60))
    }

    @Test("the fullest member counts, with the quota that it tells itself before the setting")
    func fullestMember() {
        let watch = watch()
        watch.take([status(1, 100_000), status(2, 300_000), status(3, 200_000)], at: Self.start)
        #expect(watch.report.databaseBytes == 300_000)
        #expect(watch.roomBytes == 650_000)
        watch.take([status(1, 100_000, quota: 200_000), status(2, 300_000)], at: Self.start)
        #expect(watch.report.databaseBytes == 100_000 && watch.report.quotaBytes == 200_000)
        #expect(watch.roomBytes == 90_000)
    }

    @Test("the reserve is per cent of the quota, and is over when there is room again")
    func reserve() {
        let watch = watch()
        watch.take([status(1, 949_999)], at: Self.start)
        #expect(watch.roomBytes == 1 && !watch.report.isFull)
        watch.take([status(1, 950_000)], at: Self.start + .seconds(1))
        #expect(watch.roomBytes == 0 && watch.report.isFull)
        #expect(watch.report.secondsUntilFull == 0)
        // Nobody answered: what is known stands.
        watch.take([], at: Self.start + .seconds(2))
        #expect(watch.report.isFull)
        watch.take([status(1, 200_000)], at: Self.start + .seconds(3))
        #expect(watch.roomBytes == 750_000 && !watch.report.isFull)
        let none = self.watch(reserve: 0)
        none.take([status(1, 999_999)], at: Self.start)
        #expect(none.roomBytes == 1)
    }

    @Test("the growth of the last hour says when it is full")
    func forecast() {
        let watch = watch()
        watch.take([status(1, 100_000)], at: Self.start)
        #expect(watch.report.secondsUntilFull == nil)
        watch.take([status(1, 150_000)], at: Self.start + .seconds(100))
        // 500 bytes a second, and 800,000 bytes left.
        #expect(watch.report.secondsUntilFull == 1_600)
    }

    @Test("what trimming spares is told from the rate of sealing, and from what an event takes")
    func untrimmed() {
        let watch = watch()
        watch.take([status(1, 200_000)], sealed: 1_000, trimmed: 600, at: Self.start)
        // As much is trimmed as is sealed: 400 events take 200,000 bytes, and 750,000 bytes are left for 1,500 events.
        watch.take(
            [status(1, 200_000)], sealed: 1_100, trimmed: 700, at: Self.start + .seconds(100))
        #expect(watch.report.secondsUntilFull == nil)
        #expect(watch.report.secondsUntilFullUntrimmed == 1_500)
        let other = self.watch()
        other.take([status(1, 100_000)], at: Self.start)
        other.take([status(1, 150_000)], at: Self.start + .seconds(100))
        #expect(other.report.secondsUntilFullUntrimmed == 1_600)
    }

    @Test("the nearer the quota, the sooner the members are asked again")
    func pause() {
        let watch = watch(8 << 30)
        watch.take([status(1, 0)], at: Self.start)
        #expect(watch.pause == .seconds(64))
        watch.take([status(1, 8 << 30 - 128 << 20)], at: Self.start)
        #expect(watch.pause == .seconds(1))
        watch.take([status(1, 8 << 30)], at: Self.start)
        #expect(watch.pause == .milliseconds(250))
    }
}

@Suite("Forecast of a size")
struct StorageForecastTests {
    private let start = ContinuousClock.now

    @Test("only the last hour counts")
    func lastHour() {
        var forecast = StorageForecast()
        // A load that is long over, then an hour of ten bytes a second.
        forecast.add(0, at: start)
        forecast.add(1_000_000, at: start + .seconds(60))
        for second in stride(from: 70, through: 3_700, by: 10) {
            forecast.add(1_000_000 + Int64(second - 60) * 10, at: start + .seconds(second))
        }
        #expect(forecast.growth == 10)
        #expect(forecast.seconds(until: 1_036_400 + 1_000) == 100)
    }

    @Test("what does not grow is never full, and what shrank is forecast anew")
    func shrinking() {
        var forecast = StorageForecast()
        #expect(forecast.seconds(until: 10) == nil)
        forecast.add(500, at: start)
        #expect(forecast.growth == nil)
        forecast.add(500, at: start + .seconds(20))
        #expect(forecast.growth == 0 && forecast.seconds(until: 1_000) == nil)
        #expect(forecast.seconds(until: 500) == 0)
        forecast.add(900, at: start + .seconds(40))
        forecast.add(100, at: start + .seconds(60))
        #expect(forecast.growth == nil)
        forecast.add(120, at: start + .seconds(70))
        #expect(forecast.growth == 2)
    }
}
