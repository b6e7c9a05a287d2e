import TaskCoordination
import Testing

@Suite("A gate", .timeLimit(.minutes(1)))
struct GateTests {
    @Test("A gate gives out its permits and no more")
    func gate() async {
        let gate = Gate(permits: 3)
        #expect(await gate.acquire(upTo: 2) == 2)
        #expect(await gate.acquire(upTo: 5) == 1)
        let waiting = Task { await gate.acquire(upTo: 5) }
        gate.release(2)
        #expect(await waiting.value >= 1)
    }

    @Test("A cancelled task gets no permit, and takes none from others")
    func gateCancellation() async {
        let gate = Gate(permits: 0)
        let waiting = Task { await gate.acquire() }
        waiting.cancel()
        #expect(await waiting.value == 0)
        gate.release()
        #expect(await gate.acquire() == 1)
    }
}
