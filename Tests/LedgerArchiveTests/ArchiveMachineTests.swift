import LedgerArchive
import LedgerCore
import Testing

@Suite("When a replica archives")
struct ArchiveMachineTests {
    private func at(_ milliseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: milliseconds * 1_000_000)
    }

    private func machine(through: UInt64 = 100) -> ArchiveMachine {
        var machine = ArchiveMachine(interval: .milliseconds(30_000))
        machine.looked(through: through, at: at(0))
        return machine
    }

    @Test("it looks before it does anything")
    func first() {
        let machine = ArchiveMachine(interval: .milliseconds(30_000))
        #expect(machine.action(leads: true, at: at(0)) == .look)
        #expect(machine.action(leads: false, at: at(0)) == .look)
    }

    @Test("who seals archives twice in an interval, and not where nothing is new")
    func leader() {
        var machine = machine()
        #expect(machine.action(leads: true, at: at(1)) != .archive)
        machine.saw(head: 101, at: at(10))
        #expect(machine.action(leads: true, at: at(10)) == .archive)
        machine.began(at: at(10))
        machine.succeeded(through: 101, at: at(20))
        machine.saw(head: 102, at: at(1_000))
        #expect(machine.action(leads: true, at: at(14_000)) != .archive)
        #expect(machine.action(leads: true, at: at(15_010)) == .archive)
    }

    @Test("much that waits does not wait for its time")
    func soon() {
        var machine = machine()
        machine.began(at: at(0))
        machine.saw(head: 100 + ArchiveMachine.soonEvents - 1, at: at(1_500))
        #expect(machine.action(leads: true, at: at(1_500)) != .archive)
        machine.saw(head: 100 + ArchiveMachine.soonEvents, at: at(1_501))
        #expect(machine.action(leads: true, at: at(1_501)) == .archive)
        #expect(machine.action(leads: false, at: at(1_501)) != .archive)
    }

    @Test("another one stands in after two intervals, and looks before it does")
    func standIn() {
        var machine = machine()
        machine.saw(head: 101, at: at(1_000))
        #expect(machine.action(leads: false, at: at(60_000)) == .look)
        machine.looked(through: 100, at: at(60_000))
        #expect(machine.action(leads: false, at: at(60_999)) != .archive)
        #expect(machine.action(leads: false, at: at(61_000)) == .look)
        machine.looked(through: 100, at: at(61_000))
        #expect(machine.action(leads: false, at: at(61_001)) == .archive)
        // Where somebody has archived meanwhile, it is not its turn.
        machine.looked(through: 101, at: at(61_002))
        #expect(machine.action(leads: false, at: at(61_003)) != .archive)
    }

    @Test("failures are followed by longer and longer pauses, up to the interval")
    func backOff() {
        var machine = machine()
        machine.saw(head: 101, at: at(0))
        var pauses: [Nanoseconds] = []
        for _ in 0..<8 {
            machine.failed(inRound: true, at: at(0))
            // That the archive can be read changes nothing.
            machine.looked(through: 100, at: at(0))
            #expect(machine.failures > 0)
            guard case .wait(let pause) = machine.action(leads: true, at: at(0)) else {
                Issue.record("no pause")
                return
            }
            pauses.append(pause)
        }
        #expect(
            pauses.map(\.millisecondsRoundedUp)
                == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
        // What failed is tried again as soon as the pause is over, not when the next round were due.
        machine.began(at: at(1))
        #expect(machine.action(leads: true, at: at(30_000)) == .archive)
        machine.succeeded(through: 100, at: at(40_000))
        #expect(machine.action(leads: true, at: at(40_000)) == .archive)
    }

    @Test("a failure is over when a round ends well, or somebody else has come further")
    func over() {
        var machine = machine()
        machine.saw(head: 101, at: at(0))
        machine.failed(inRound: true, at: at(0))
        machine.looked(through: 100, at: at(2_000))
        #expect(machine.failures == 1)
        machine.looked(through: 101, at: at(3_000))
        #expect(machine.failures == 0)
        machine.failed(inRound: false, at: at(4_000))
        machine.looked(through: 101, at: at(6_000))
        #expect(machine.failures == 0, "what failed was the look")
    }

    @Test("the lag is the age of the oldest event that is not archived")
    func lag() {
        var machine = machine()
        #expect(machine.lag(at: at(5_000)) == .zero)
        machine.saw(head: 110, at: at(1_000))
        machine.saw(head: 120, at: at(3_000))
        #expect(machine.lagEvents == 20)
        #expect(machine.lag(at: at(5_000)) == .milliseconds(4_000))
        machine.succeeded(through: 110, at: at(5_000))
        #expect(machine.lagEvents == 10)
        #expect(machine.lag(at: at(5_000)) == .milliseconds(2_000))
        machine.succeeded(through: 120, at: at(6_000))
        #expect(machine.lag(at: at(9_000)) == .zero)
        // However often the head grows, what is remembered is bounded, and the oldest is kept.
        for number in 1...10_000 {
            machine.saw(head: 120 + UInt64(number), at: at(10_000 + Int64(number)))
        }
        #expect(machine.lag(at: at(20_001)) == .milliseconds(10_000))
    }
}
