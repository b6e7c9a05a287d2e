import TaskCoordination
import Testing

@Suite("What comes within a time")
struct FirstWithinTests {
    @Test("what comes in time is given")
    func inTime() async {
        #expect(await first(within: .seconds(60)) { 7 } == 7)
    }

    @Test("what hangs, and heeds no cancellation, is not waited for")
    func hanging() async {
        let never = Settlement<Int>()
        #expect(await first(within: .milliseconds(10)) { await never.value } == nil)
        never.settle(0)
    }

    @Test("what is too late is told so")
    func cancelled() async {
        let ended = Settlement<Bool>()
        let found: Int? = await first(within: .milliseconds(10)) {
            try? await Task.sleep(for: .seconds(600))
            ended.settle(Task.isCancelled)
            return 7
        }
        #expect(found == nil)
        #expect(await ended.value)
    }

    @Test("a task that is cancelled waits no longer")
    func waiting() async {
        let never = Settlement<Int>()
        let task = Task { await first(within: .seconds(600)) { await never.value } }
        task.cancel()
        #expect(await task.value == nil)
        never.settle(0)
    }
}
