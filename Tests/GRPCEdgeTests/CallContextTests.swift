import NIOCore
import NIOEmbedded
import NIOHPACK
import Testing

@testable import GRPCEdge

@Suite("By what a call's lines are found")
struct CallContextTests {
    @Test("the caller's own name of the request, where it is a short printable one")
    func named() {
        let context = CallContext(["x-request-id": "7f3a/42"])
        #expect(context.requestID == "7f3a/42")
        #expect(context.traceParent == nil)
    }

    @Test(
        "else one of this process, another for each call",
        arguments: ["", "with space", "line\nfeed", "\u{e9}", String(repeating: "a", count: 129)])
    func made(given: String) {
        let one = CallContext(["x-request-id": given])
        let other = CallContext(["x-request-id": given])
        #expect(one.requestID != given && other.requestID != given)
        #expect(one.requestID != other.requestID)
    }

    @Test("one trace context, of bounded length")
    func traces() {
        #expect(CallContext(["traceparent": "00-a"]).traceParent == "00-a")
        #expect(
            CallContext([("traceparent", "00-a"), ("traceparent", "00-b")].headers).traceParent
                == nil)
        let long = String(repeating: "0", count: CallContext.maxTraceBytes + 1)
        #expect(CallContext(["traceparent": long]).traceParent == nil)
    }

    @Test("the library is handed the name that counts, whatever the caller sends under ours")
    func handedOn() throws {
        let bench = try GuardBench(keepsContext: true)
        try bench.send(
            GuardBench.headers(
                GuardBench.unary, [("x-request-id", "mine"), ("ledger-request-id", "forged")]))
        guard case .headers(let headers, _)? = try bench.handedOn().first else {
            Issue.record("nothing was handed on")
            return
        }
        #expect(headers["ledger-request-id"] == ["mine"])
        #expect(headers["x-request-id"].isEmpty)
    }

    @Test("nothing is kept where nobody asks")
    func off() throws {
        let bench = try GuardBench()
        try bench.send(GuardBench.headers(GuardBench.unary, [("x-request-id", "mine")]))
        guard case .headers(let headers, _)? = try bench.handedOn().first else {
            Issue.record("nothing was handed on")
            return
        }
        #expect(headers["ledger-request-id"].isEmpty)
        bench.channel.close(promise: nil)
        bench.channel.embeddedEventLoop.run()
        #expect(bench.ends.all.first?.context == nil)
    }
}

extension [(String, String)] {
    fileprivate var headers: HPACKHeaders { HPACKHeaders(self) }
}
