import LedgerClient
import Testing

@Suite("The parts that streams are made of", .timeLimit(.minutes(1)))
struct StreamingPartsTests {
    @Test("A mailbox gives elements in order, and nil once it is closed and empty")
    func mailboxOrder() async {
        let mailbox = Mailbox<Int>()
        for number in 0..<200 { mailbox.send(number) }
        mailbox.close()
        mailbox.send(1_000)
        var received: [Int] = []
        while let number = await mailbox.next() { received.append(number) }
        #expect(received == Array(0..<200))
    }

    @Test("A cancelled receiver loses nothing, and the next one goes on")
    func mailboxCancellation() async {
        let mailbox = Mailbox<Int>()
        let waiting = Task { await mailbox.next() }
        await Task.yield()
        waiting.cancel()
        #expect(await waiting.value == nil)
        mailbox.send(7)
        #expect(await mailbox.next() == 7)
    }

    @Test("Receivers that wait are served in turn, each once")
    func mailboxReceivers() async {
        let mailbox = Mailbox<Int>()
        let sum = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var sum = 0
                    while let number = await mailbox.next() { sum += number }
                    return sum
                }
            }
            for number in 1...1_000 { mailbox.send(number) }
            mailbox.close()
            return await group.reduce(0, +)
        }
        #expect(sum == 500_500)
    }

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

    @Test("Results in any order come out in the order of their events")
    func resultOrder() {
        var order = ResultOrder<Int>()
        #expect(order.insert(1, at: 1).isEmpty)
        #expect(order.insert(2, at: 2).isEmpty)
        #expect(order.insert(0, at: 0) == [0, 1, 2])
        #expect(order.insert(3, at: 3) == [3])
    }
}
