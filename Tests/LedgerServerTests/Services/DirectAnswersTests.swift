import Synchronization
import Testing

@testable import LedgerServer

@Suite("Answers on their way to the event loop")
struct DirectAnswersTests {
    /// An event loop that runs when the test says so.
    private final class Loop: Sendable {
        private let tasks = Mutex<[@Sendable () -> Void]>([])

        func add(_ task: @escaping @Sendable () -> Void) { tasks.withLock { $0.append(task) } }

        /// Runs what was added before.
        ///
        /// - Returns: how many tasks that were.
        func turn() -> Int {
            let due = tasks.withLock { tasks in
                defer { tasks = [] }
                return tasks
            }
            for task in due { task() }
            return due.count
        }
    }

    @Test("a batch takes one hop, and its order stays")
    func oneHop() {
        let loop = Loop()
        let answers = DirectAnswers { loop.add($0) }
        let given = Mutex<[Int]>([])
        for number in 1...100 { answers.give { given.withLock { $0.append(number) } } }
        #expect(given.withLock { $0 }.isEmpty)
        #expect(loop.turn() == 1)
        #expect(given.withLock { $0 } == Array(1...100))
        #expect(loop.turn() == 0)
    }

    @Test("what is given while others are done, or after them, is done in the next turn")
    func next() {
        let loop = Loop()
        let answers = DirectAnswers { loop.add($0) }
        let done = Mutex(0)
        answers.give {
            answers.give { done.withLock { $0 += 10 } }
            done.withLock { $0 += 1 }
        }
        #expect(loop.turn() == 1)
        #expect(done.withLock { $0 } == 1)
        #expect(loop.turn() == 1)
        #expect(done.withLock { $0 } == 11)
        answers.give { done.withLock { $0 += 100 } }
        #expect(loop.turn() == 1)
        #expect(done.withLock { $0 } == 111)
    }
}
