import LedgerCore
import Testing

@testable import LedgerTransparency

@Suite("WitnessMachine")
struct WitnessMachineTests {
    private let limits = WitnessLimits()
    private let start = ContinuousClock.now

    private func checkpoint(_ size: UInt64, root: UInt8 = 1) -> Checkpoint {
        Checkpoint(
            origin: "o", size: size,
            root: Digest(bytes: [UInt8](repeating: root, count: 32)) ?? .zero)
    }

    private let cosigned = WitnessAnswer.cosigned(
        Cosignature(timestamp: 1, signature: .init(name: "w", keyID: 1, signature: [])))

    @Test("a new witness is sent the checkpoint without a proof, and then what continues it")
    func fresh() {
        var machine = WitnessMachine(limits)
        #expect(machine.begin(checkpoint(5), at: start) == .send(old: 0))
        #expect(machine.received(cosigned, at: start, jitter: 0) == .end)
        #expect(machine.known == .init(size: 5, root: checkpoint(5).root))
        #expect(machine.begin(checkpoint(9), at: start) == .send(old: 5))
    }

    @Test(
        "a witness that names another size gets a proof from there, at most three requests in all")
    func conflict() {
        var machine = WitnessMachine(limits)
        #expect(machine.begin(checkpoint(9), at: start) == .send(old: 0))
        #expect(machine.received(.conflict(size: 4), at: start, jitter: 0) == .send(old: 4))
        #expect(machine.known == .init(size: 4, root: nil))
        #expect(machine.received(.conflict(size: 3), at: start, jitter: 0) == .send(old: 3))
        #expect(machine.received(.conflict(size: 2), at: start, jitter: 0) == .end)
        #expect(machine.trouble == .otherSize)
        #expect(machine.rests(at: start))
    }

    @Test(
        "a size above the checkpoint's is kept and no trouble, for another replica may be quicker")
    func larger() {
        var machine = WitnessMachine(limits)
        _ = machine.begin(checkpoint(9), at: start)
        #expect(machine.received(.conflict(size: 12), at: start, jitter: 0) == .end)
        #expect(machine.known == .init(size: 12, root: nil))
        #expect(machine.trouble == nil)
        #expect(machine.begin(checkpoint(11), at: start) == .end)
        #expect(machine.begin(checkpoint(12), at: start) == .send(old: 12))
    }

    @Test("another root at the same size is a contradiction at once")
    func otherRoot() {
        var machine = WitnessMachine(limits)
        _ = machine.begin(checkpoint(9), at: start)
        #expect(machine.received(.conflict(size: 9), at: start, jitter: 0) == .send(old: 9))
        #expect(machine.received(.conflict(size: 9), at: start, jitter: 0) == .end)
        #expect(machine.known == .init(size: 9, root: nil, isContradicted: true))
        #expect(machine.trouble == .otherRoot)
    }

    @Test("that nothing continues what it has cosigned is believed a witness when it says so twice")
    func inconsistent() {
        var machine = WitnessMachine(limits)
        _ = machine.begin(checkpoint(9), at: start)
        _ = machine.received(.conflict(size: 4), at: start, jitter: 0)
        #expect(machine.received(.failed(.inconsistent), at: start, jitter: 0) == .end)
        #expect(machine.known?.isContradicted == false)
        let later = start + .seconds(10)
        #expect(machine.begin(checkpoint(10), at: later) == .send(old: 4))
        #expect(machine.received(.failed(.inconsistent), at: later, jitter: 0) == .end)
        #expect(machine.known == .init(size: 4, root: nil, isContradicted: true))
        // Where it cosigns again, it was mistaken.
        let last = later + .seconds(100)
        _ = machine.begin(checkpoint(11), at: last)
        _ = machine.received(cosigned, at: last, jitter: 0)
        #expect(machine.known?.isContradicted == false)
        #expect(machine.trouble == nil)
    }

    @Test("a witness that has cosigned nothing contradicts nothing")
    func inconsistentWithNothing() {
        var machine = WitnessMachine(limits)
        for round in 0..<3 {
            let now = start + .seconds(100 * round)
            #expect(machine.begin(checkpoint(9), at: now) == .send(old: 0))
            #expect(machine.received(.failed(.inconsistent), at: now, jitter: 0) == .end)
        }
        #expect(machine.known == nil)
        #expect(machine.trouble == .inconsistent)
    }

    @Test("what is said of different sizes is no repetition")
    func inconsistentElsewhere() {
        var machine = WitnessMachine(limits)
        _ = machine.begin(checkpoint(9), at: start)
        _ = machine.received(.conflict(size: 4), at: start, jitter: 0)
        _ = machine.received(.failed(.inconsistent), at: start, jitter: 0)
        let later = start + .seconds(10)
        _ = machine.begin(checkpoint(10), at: later)
        #expect(machine.received(.conflict(size: 5), at: later, jitter: 0) == .send(old: 5))
        _ = machine.received(.failed(.inconsistent), at: later, jitter: 0)
        #expect(machine.known?.isContradicted == false)
    }

    @Test("the size that was sent, named again, is no answer")
    func repeated() {
        var machine = WitnessMachine(limits)
        _ = machine.begin(checkpoint(9), at: start)
        #expect(machine.received(.conflict(size: 0), at: start, jitter: 0) == .end)
        #expect(machine.trouble == .malformed)
    }

    @Test("rests double up to the longest, and are spread by half to either side")
    func rests() {
        var machine = WitnessMachine(limits)
        var now = start
        for (failure, seconds) in [1, 2, 4, 8, 16, 32, 60, 60, 60].enumerated() {
            let jitter = failure.isMultiple(of: 2) ? 0 : 0.999
            _ = machine.begin(checkpoint(9), at: now)
            _ = machine.received(.failed(.timeout), at: now, jitter: jitter)
            let rest = Duration.seconds(seconds) * (0.5 + jitter)
            #expect(machine.restsUntil == now + rest)
            #expect(machine.begin(checkpoint(9), at: now + rest - .nanoseconds(1)) == .end)
            now += rest
            #expect(!machine.rests(at: now))
        }
        _ = machine.begin(checkpoint(9), at: now)
        _ = machine.received(cosigned, at: now, jitter: 0)
        #expect(machine.failures == 0 && machine.restsUntil == nil)
    }

    @Test("a question tells the size, and nothing of one that does not take the empty tree")
    func question() {
        var machine = WitnessMachine(limits)
        for failure in [WitnessResult.refused, .inconsistent, .badCosignature] {
            machine.receivedToQuestion(.failed(failure), at: start, jitter: 0)
            #expect(machine.known == nil && machine.trouble == nil)
        }
        machine.receivedToQuestion(.conflict(size: 7), at: start, jitter: 0)
        #expect(machine.known == .init(size: 7, root: nil))
        _ = machine.begin(checkpoint(7), at: start)
        _ = machine.received(cosigned, at: start, jitter: 0)
        machine.receivedToQuestion(.conflict(size: 7), at: start, jitter: 0)
        #expect(machine.known?.root == checkpoint(7).root)
        machine.receivedToQuestion(.failed(.unreachable), at: start, jitter: 0)
        #expect(machine.trouble == .unreachable)
        machine.receivedToQuestion(.conflict(size: 8), at: start, jitter: 0)
        #expect(machine.known == .init(size: 8, root: nil))
        #expect(machine.trouble == nil)
    }
}
