import EventLoopTasks
import NIOCore
import Testing

@testable import LedgerServer

@Suite("Where tasks run")
struct ReactorTests {
    @Test("calls run on the event loop from their first line on, what is long on the pool")
    func placement() async {
        await Reactor.run {
            #expect(Reactor.loop.inEventLoop)
            await Task.yield()
            #expect(Reactor.loop.inEventLoop)
            await Reactor.runOnPool {
                #expect(!Reactor.loop.inEventLoop)
                await Task.yield()
                #expect(!Reactor.loop.inEventLoop)
            }
            await withTaskGroup(of: Bool.self) { group in
                group.addTask { Reactor.loop.inEventLoop }
                #expect(await group.next() == true)
            }
        }
        #expect(!Reactor.loop.inEventLoop)
    }
}
