import Testing

@testable import LedgerCore

@Suite("Turns of searches")
struct SearchTurnsTests {
    private func token(_ number: Int) -> SubmissionToken {
        SubmissionToken(rawValue: UInt64(number))
    }

    @Test("4,000 at once run eight at a time, in order, and without those that nobody wants")
    func bounded() {
        var turns = SearchTurns(maxRunning: 8)
        for number in 0..<4_000 { turns.add(token(number)) }
        var order: [SubmissionToken] = []
        while let next = turns.next(where: { _ in true }) { order.append(next) }
        #expect(order == (0..<8).map(token))
        #expect(turns.running == 8 && turns.waitingCount == 3_992)
        while turns.waitingCount > 0 {
            turns.ended()
            let next = turns.next { $0.rawValue.isMultiple(of: 2) }
            if let next { order.append(next) }
            #expect(turns.running <= 8)
        }
        #expect(order.dropFirst(8) == (8..<4_000).filter { $0.isMultiple(of: 2) }.map(token)[...])
        while turns.running > 0 {
            turns.ended()
            let next = turns.next { _ in true }
            #expect(next == nil)
        }
        turns.add(token(1))
        let next = turns.next { _ in true }
        #expect(next == token(1))
    }
}
