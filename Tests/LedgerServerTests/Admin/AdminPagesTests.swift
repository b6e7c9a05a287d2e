import Foundation
import Testing

@testable import LedgerServer

@Suite("Pages of the admin port")
struct AdminPagesTests {
    private let board = StatusBoard(initial: LedgerStatus(state: .serving, readsServed: true))

    private func pages(
        unreachable: Set<Int> = [], further: @escaping AdminPages.FurtherPages = { _ in nil }
    ) -> AdminPages {
        AdminPages(
            reporter: makeReporter(board: board, unreachable: unreachable),
            registry: LedgerMetrics().registry, further: further)
    }

    private func text(_ answer: Page) -> String {
        guard case .bytes(let bytes) = answer.body else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(
        "/readyz is 200 while reads are served",
        arguments: [
            (ServingState.serving, true, 200), (.readOnly, true, 200), (.fenced, true, 200),
            (.starting, false, 503), (.readOnly, false, 503), (.stopping, true, 503),
        ])
    func readiness(_ state: ServingState, _ reads: Bool, _ status: Int) async {
        board.update(LedgerStatus(state: state, readsServed: reads, message: "two\nlines"))
        let answer = await pages().get("/readyz")
        #expect(answer.status == status)
        #expect(text(answer) == "\(state.rawValue): two lines\n")
    }

    @Test("/livez is 200 in every state")
    func liveness() async {
        board.update(.starting)
        let answer = await pages().get("/livez")
        #expect(answer.status == 200)
        #expect(text(answer) == "alive\n")
    }

    @Test("/health is 503 only when reads are not served")
    func health() async throws {
        let degraded = await pages(unreachable: [1, 2, 3]).get("/health")
        #expect(degraded.status == 200)
        #expect(degraded.contentType == "application/json")
        #expect(text(degraded).contains("\"status\":\"DEGRADED\""))
        board.update(.starting)
        let unhealthy = await pages().get("/health")
        #expect(unhealthy.status == 503)
        #expect(text(unhealthy).contains("\"status\":\"UNHEALTHY\""))
        _ = try JSONSerialization.jsonObject(with: Data(text(unhealthy).utf8))
    }

    @Test("/metrics is Prometheus' text")
    func metrics() async {
        let answer = await pages().get("/metrics")
        #expect(answer.contentType == "text/plain; version=0.0.4; charset=utf-8")
        #expect(text(answer).contains("# TYPE ledger_commit_seconds histogram\n"))
    }

    @Test(
        "/metrics is OpenMetrics for who names it and likes it no less",
        arguments: [
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                    + "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true
            ),
            ("application/openmetrics-text", true), ("APPLICATION/OpenMetrics-Text ; q=0.3", true),
            ("text/plain, application/openmetrics-text;q=0.9", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;q=x", false), ("*/*", false), ("", false),
        ])
    func negotiation(_ accept: String, _ isOpen: Bool) async {
        let answer = await pages().get("/metrics", accept: accept)
        #expect(answer.contentType.hasPrefix("application/openmetrics-text") == isOpen)
        #expect(text(answer).hasSuffix("# EOF\n") == isOpen)
    }

    @Test("Other paths are asked elsewhere, else 404 with a line that tells the paths")
    func further() async {
        let pages = pages { path in
            path == "/checkpoint" ? Page(line: "note") : nil
        }
        #expect(await pages.get("/checkpoint").status == 200)
        for path in ["/", "/tile/0/000", "/livez/", "/LIVEZ"] {
            let answer = await pages.get(path)
            #expect(answer.status == 404)
            #expect(text(answer).contains("/metrics"))
        }
    }
}
