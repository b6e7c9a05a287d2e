import Testing

@testable import LedgerClient

@Suite("The header that tells the service a deadline")
struct DeadlineHeaderTests {
    @Test(
        "It has whole milliseconds, in a length that every server reads",
        arguments: [
            ("99876543n", 99), ("500000n", 1), ("100000u", 100), ("99999999u", 99_999),
            ("99u", 1),
        ] as [(String, Int64)])
    func rewritten(value: String, milliseconds: Int64) {
        #expect(DeadlineHeaderInterceptor.milliseconds(value) == milliseconds)
    }

    @Test("Coarser units stay as they are", arguments: ["5S", "100m", "1H", "", "n", "xn"])
    func unchanged(value: String) {
        #expect(DeadlineHeaderInterceptor.milliseconds(value) == nil)
    }
}
