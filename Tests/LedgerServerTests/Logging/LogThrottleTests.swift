import Logging
import Synchronization
import Testing

@testable import LedgerServer

@Suite("Lines that say the same again")
struct LogThrottleTests {
    /// A clock that the test sets.
    private final class Hands: Sendable {
        private let start = ContinuousClock.now
        private let passed = Mutex(Duration.zero)

        var now: ContinuousClock.Instant { start.advanced(by: passed.withLock { $0 }) }

        func advance(_ duration: Duration) { passed.withLock { $0 += duration } }
    }

    private let hands = Hands()

    private func throttle() -> LogThrottle { LogThrottle { [hands] in hands.now } }

    @Test("the first is written, then one a minute, with the number of those between")
    func storm() {
        let throttle = throttle()
        var written: [Int] = []
        for second in 0..<150 {
            let metadata: Logger.Metadata = ["error": "number \(second)"]
            if let heldBack = throttle.admit(.warning, "no answer", metadata, label: "l") {
                written.append(heldBack)
            }
            hands.advance(.seconds(1))
        }
        #expect(written == [0, 59, 59])
    }

    @Test("other texts, levels, labels and subjects are other kinds")
    func kinds() {
        let throttle = throttle()
        #expect(throttle.admit(.warning, "a", [:], label: "l") == 0)
        #expect(throttle.admit(.warning, "a", [:], label: "l") == nil)
        #expect(throttle.admit(.warning, "b", [:], label: "l") == 0)
        #expect(throttle.admit(.error, "a", [:], label: "l") == 0)
        #expect(throttle.admit(.warning, "a", [:], label: "m") == 0)
        #expect(throttle.admit(.warning, "a", ["member": "x:1"], label: "l") == 0)
        #expect(throttle.admit(.warning, "a", ["member": "x:2"], label: "l") == 0)
        #expect(throttle.admit(.warning, "a", ["member": "x:2"], label: "l") == nil)
        #expect(throttle.admit(.error, "found", ["finding": "1"], label: "l") == 0)
        #expect(throttle.admit(.error, "found", ["finding": "2"], label: "l") == 0)
    }

    @Test("a failure with another code is told right after the first, and one that comes again too")
    func codes() {
        let throttle = throttle()
        func told(_ code: String) -> Bool {
            let metadata: Logger.Metadata = ["code": "\(code)", "error": "in words"]
            return throttle.admit(.error, "events are not archived", metadata, label: "l") == 0
        }
        #expect(told("not_this_ledgers") && told("other_bytes") && told("not_this_ledgers"))
        for _ in 2..<LogThrottle.changes { #expect(told("not_this_ledgers")) }
        #expect(!told("not_this_ledgers") && told("other_bytes"))
    }

    @Test("of changes a few a minute are written, so that the last is not hidden")
    func changes() {
        let throttle = throttle()
        let written = (0..<50).compactMap { _ in
            throttle.admit(.notice, "the state changed", ["state": "READ_ONLY"], label: "l")
        }
        #expect(written.count == LogThrottle.changes)
    }

    @Test(
        "what is critical or was asked for is always written",
        arguments: [Logger.Level.critical, .debug, .trace])
    func always(level: Logger.Level) {
        let throttle = throttle()
        let written = (0..<20).compactMap { _ in throttle.admit(level, "a", [:], label: "l") }
        #expect(written.count == 20)
    }

    @Test("it remembers a bounded number of kinds, and holds nothing back that it has no room for")
    func bounds() {
        let throttle = throttle()
        for number in 0..<(LogThrottle.maxKinds + 50) {
            #expect(throttle.admit(.warning, "\(number)", [:], label: "l") == 0)
        }
        #expect(throttle.admit(.warning, "0", [:], label: "l") == nil)
        #expect(throttle.admit(.warning, "\(LogThrottle.maxKinds + 1)", [:], label: "l") == 0)
        hands.advance(LogThrottle.interval)
        #expect(throttle.admit(.warning, "new", [:], label: "l") == 0)
        #expect(throttle.admit(.warning, "new", [:], label: "l") == nil)
    }

    @Test("a handler writes what is admitted, and says how much it held back")
    func handler() {
        let lines = WrittenLines()
        var logger = Logger(label: "l") { label in
            LineLogHandler(
                label: label, format: .text, level: .debug, throttle: throttle()
            ) { line in lines.add(line) }
        }
        logger.logLevel = .debug
        for _ in 0..<5 { logger.warning("again") }
        hands.advance(.seconds(61))
        logger.warning("again")
        logger.warning("other")
        let written = lines.all
        #expect(written.count == 3)
        #expect(written.count > 1 && written[1].hasSuffix("again repeated=4"))
    }
}
