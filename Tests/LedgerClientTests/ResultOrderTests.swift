import LedgerClient
import Testing

@Suite("The order of results")
struct ResultOrderTests {
    @Test("Results in any order come out in the order of their events")
    func inOrder() {
        var order = ResultOrder<Int>()
        #expect(order.insert(1, at: 1).isEmpty)
        #expect(order.insert(2, at: 2).isEmpty)
        #expect(order.insert(0, at: 0) == [0, 1, 2])
        #expect(order.insert(3, at: 3) == [3])
    }
}
