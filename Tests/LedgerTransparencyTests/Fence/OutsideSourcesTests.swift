import LedgerCore
import Logging
import TaskCoordination
import TestSupport
import Testing

@testable import LedgerTransparency

@Suite("All that is recorded outside")
struct OutsideSourcesTests {
    @Test("one that hangs hides nothing of what the others say, and is named in the log")
    func hanging() async {
        let never = Settlement<[OutsideRecord]>()
        let log = LogRecorder()
        let record = OutsideRecord(source: "witness a", size: 7)
        let sources = OutsideSources(
            [
                .init("archive") { await never.value },
                .init("witnesses") { [record] },
                .init("external checkpoint") { [] },
            ], limit: .milliseconds(100), logger: Logger(label: "test") { _ in log })
        #expect(await sources.records() == [record])
        #expect(
            log.count(
                of: "the ledger could not be compared in time with what is recorded outside") == 1)
        never.settle([])
    }
}
