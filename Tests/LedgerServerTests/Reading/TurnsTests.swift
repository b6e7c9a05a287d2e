import TestSupport
import Testing

@testable import LedgerServer

@Suite("Taking turns", .timeLimit(.minutes(1)))
struct TurnsTests {
    @Test("one at a time, in order, and no more wait than may")
    func order() async throws {
        let turns = Turns(maxWaiting: 2)
        #expect(try await turns.take())
        async let second = turns.take()
        try await eventually("it waits") { turns.waitingCount == 1 }
        async let third = turns.take()
        try await eventually("both wait") { turns.waitingCount == 2 }
        #expect(try await !turns.take())
        turns.giveBack()
        #expect(try await second)
        turns.giveBack()
        #expect(try await third)
        turns.giveBack()
        #expect(try await turns.take())
    }

    @Test("who has gone makes room at once: nobody is refused for them")
    func cancelled() async throws {
        let turns = Turns(maxWaiting: 8)
        #expect(try await turns.take())
        let gone = (0..<8).map { _ in Task { try await turns.take() } }
        try await eventually("eight wait") { turns.waitingCount == 8 }
        #expect(try await !turns.take())
        for task in gone { task.cancel() }
        for task in gone {
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(turns.waitingCount == 0)
        async let next = turns.take()
        try await eventually("the next one waits") { turns.waitingCount == 1 }
        turns.giveBack()
        #expect(try await next)
        // And who is cancelled before it asks takes nothing.
        turns.giveBack()
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await turns.take()
        }
        await #expect(throws: CancellationError.self) { try await early.value }
        #expect(try await turns.take())
    }
}
