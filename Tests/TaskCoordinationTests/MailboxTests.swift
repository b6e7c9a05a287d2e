import TaskCoordination
import Testing

@Suite("A mailbox", .timeLimit(.minutes(1)))
struct MailboxTests {
    @Test("A mailbox gives elements in order, and nil once it is closed and empty")
    func mailboxOrder() async {
        let mailbox = Mailbox<Int>()
        for number in 0..<200 { mailbox.put(number) }
        mailbox.close()
        mailbox.put(1_000)
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
        mailbox.put(7)
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
            for number in 1...1_000 { mailbox.put(number) }
            mailbox.close()
            return await group.reduce(0, +)
        }
        #expect(sum == 500_500)
    }

    @Test("All that is there is taken at once, and the rest of a closed mailbox too")
    func mailboxBatches() async {
        let mailbox = Mailbox<Int>()
        for number in 0..<100 { mailbox.put(number) }
        #expect(await mailbox.next() == 0)
        #expect(await mailbox.takeAll() == Array(1..<100))
        mailbox.put(7)
        mailbox.close()
        #expect(await mailbox.takeAll() == [7])
        #expect(await mailbox.takeAll() == nil)
    }

    @Test("What a receiver was woken for goes to another one where it is cancelled")
    func mailboxPassesOn() async throws {
        for _ in 0..<500 {
            let mailbox = Mailbox<Int>()
            let receivers = (0..<2).map { _ in Task { await mailbox.next() } }
            await Task.yield()
            let cancelling = Task { receivers[0].cancel() }
            mailbox.put(1)
            await cancelling.value
            let first = await receivers[0].value
            if first != nil { mailbox.close() }
            let second = await withTaskCancellationHandler {
                await receivers[1].value
            } onCancel: {
                // The time limit ends who waits for what never comes.
                receivers[1].cancel()
            }
            try #require(second == (first == nil ? 1 : nil))
        }
    }
}
