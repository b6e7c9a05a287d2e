import GRPCCore
import Testing

@testable import LedgerServer

@Suite("Interrupting an open call")
struct ShutdownSignalTests {
    private func waitForEver() async throws {
        try await Task.sleep(for: .seconds(600))
    }

    @Test("a stopping replica ends it, and says so")
    func stopping() async {
        let signal = ShutdownSignal()
        async let failure = signal.interrupting { try await self.waitForEver() }
        signal.raise()
        #expect((await failure as? LedgerRPCError)?.reason == .stopping)
    }

    @Test("a caller that cancels ends it", .timeLimit(.minutes(1)))
    func cancelled() async {
        await withServerContextRPCCancellationHandle { call in
            let signal = ShutdownSignal()
            async let failure = signal.interrupting { try await self.waitForEver() }
            call.cancel()
            #expect(await failure != nil)
        }
    }

    @Test("left alone it ends by itself, with its own error")
    func undisturbed() async {
        let signal = ShutdownSignal()
        #expect(await signal.interrupting {} == nil)
        let failure = await signal.interrupting { throw RPCError(code: .aborted, message: "own") }
        #expect((failure as? RPCError)?.code == .aborted)
    }
}
