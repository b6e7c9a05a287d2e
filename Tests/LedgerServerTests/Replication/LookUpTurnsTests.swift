import LedgerCore
import Testing

@testable import LedgerServer

@Suite("Turns of look-ups")
struct LookUpTurnsTests {
    private func action(_ number: UInt64) -> ReplicaAction {
        .readOriginal(SubmissionToken(rawValue: number), SequenceNumber(number))
    }

    private func number(_ action: ReplicaAction?) -> UInt64? {
        if case .readOriginal(let token, _)? = action { token.rawValue } else { nil }
    }

    @Test("4,000 at once run eight at a time, in order, and without those that nobody wants")
    func bounded() {
        var turns = LookUpTurns(maxRunning: 8)
        let started = (0..<4_000).filter { turns.mayStart(action(UInt64($0))) }
        #expect(started == Array(0..<8))
        #expect(turns.running == 8 && turns.waitingCount == 3_992)
        var order: [UInt64] = []
        while let next = turns.next(where: { (number($0) ?? 1).isMultiple(of: 2) }) {
            #expect(turns.running == 8)
            order.append(number(next) ?? 0)
        }
        #expect(order == (8..<4_000).filter { $0.isMultiple(of: 2) })
        for _ in 0..<7 {
            let next = turns.next { _ in true }
            #expect(number(next) == nil)
        }
        #expect(turns.running == 0 && turns.waitingCount == 0)
        let starts = turns.mayStart(action(1))
        #expect(starts)
    }
}
