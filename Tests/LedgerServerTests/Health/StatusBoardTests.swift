import TestSupport
import Testing

@testable import LedgerServer

@Suite("Status board")
struct StatusBoardTests {
    private let board = StatusBoard()

    @Test("It starts as STARTING, and shows what was written last")
    func current() {
        #expect(board.current.state == .starting)
        #expect(!board.current.isReady)
        board.update(LedgerStatus(state: .serving, readsServed: true, lastSequenceNumber: 7))
        #expect(board.current.lastSequenceNumber == 7)
        #expect(board.current.isReady)
    }

    @Test("A reader gets the present and then changes")
    func updates() async {
        var updates = board.updates().makeAsyncIterator()
        #expect(await updates.next()?.state == .starting)
        board.update { $0.state = .serving }
        #expect(await updates.next()?.state == .serving)
    }

    @Test("A slow reader sees the newest change only")
    func newestWins() async {
        var updates = board.updates().makeAsyncIterator()
        for state in [ServingState.serving, .readOnly, .fenced] {
            board.update { $0.state = state }
        }
        #expect(await updates.next()?.state == .fenced)
    }

    @Test("A new number alone wakes nobody")
    func numbers() async {
        var updates = board.updates().makeAsyncIterator()
        _ = await updates.next()
        board.update { $0.lastSequenceNumber = 9 }
        board.update { $0.message = "later" }
        let next = await updates.next()
        #expect(next?.message == "later")
        #expect(next?.lastSequenceNumber == 9)
    }

    @Test("finish() ends every stream after what it had to say, and later ones at once")
    func finish() async {
        var updates = board.updates().makeAsyncIterator()
        _ = await updates.next()
        board.update { $0.state = .stopping }
        board.finish()
        #expect(await updates.next()?.state == .stopping)
        #expect(await updates.next() == nil)
        var later = board.updates().makeAsyncIterator()
        #expect(await later.next()?.state == .stopping)
        #expect(await later.next() == nil)
        #expect(board.watcherCount == 0)
    }

    @Test("A cancelled reader is forgotten")
    func cancellation() async throws {
        let updates = board.updates()
        let reader = Task {
            for await _ in updates {}
        }
        #expect(board.watcherCount == 1)
        reader.cancel()
        await reader.value
        try await eventually("the reader is forgotten") { board.watcherCount == 0 }
    }

    @Test("A stopping replica is not ready, though it still serves reads")
    func stopping() {
        #expect(!LedgerStatus(state: .stopping, readsServed: true).isReady)
        #expect(LedgerStatus(state: .readOnly, readsServed: true).isReady)
        #expect(LedgerStatus(state: .fenced, readsServed: true).isReady)
    }
}
