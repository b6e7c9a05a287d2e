import LedgerAPI
import LedgerServer
import Testing

@Suite("Who may call")
struct CallerPatternTests {
    private func admits(_ patterns: [String], _ names: [String]) throws -> Bool {
        let list = AccessList(try patterns.map { try #require(CallerPattern($0)) })
        do {
            try list.check(CallerIdentity(names: names), to: "read")
            return true
        } catch {
            #expect(error.reason == (names.isEmpty ? .notAuthenticated : .notAllowed))
            return false
        }
    }

    @Test("a star is one whole segment of a SPIFFE id's path")
    func patterns() throws {
        let pattern = ["spiffe://domain/ns/*/sa/veps"]
        #expect(try admits(pattern, ["spiffe://domain/ns/payments/sa/veps"]))
        for other in [
            "spiffe://domain/ns//sa/veps", "spiffe://domain/ns/a/b/sa/veps",
            "spiffe://domain/ns/a/sa/veps/", "spiffe://domain/ns/a/sa/veps/more",
            "spiffe://domain.evil/ns/a/sa/veps", "spiffe://domain/ns/a/sa/vepsx",
            "https://domain/ns/a/sa/veps", "SPIFFE://domain/ns/a/sa/veps",
            "x-spiffe://domain/ns/a/sa/veps", "spiffe://domain/NS/a/sa/veps",
        ] {
            #expect(try !admits(pattern, [other]), "\(other)")
        }
    }

    @Test("any of a caller's names may be the one; who has none, or another one, is not let in")
    func names() throws {
        #expect(try admits([], []))
        #expect(try admits(["veps"], ["spiffe://a/b", "veps"]))
        #expect(try !admits(["veps"], ["veps2", "*"]))
        #expect(try !admits(["veps"], []))
        // A star in a certificate's name is no pattern.
        #expect(try !admits(["spiffe://a/ns/x/sa/y"], ["spiffe://a/ns/*/sa/y"]))
        #expect(try admits(["a", "spiffe://d/*"], ["spiffe://d/x"]))
    }

    @Test(
        "what would admit more than was meant is no pattern",
        arguments: [
            "", "*", "spiffe://*/ns/a", "spiffe://domain/ns/a*", "spiffe://domain/*b/c",
            "spiffe:///ns/*", "spiffe://domain//*", "spiffe://domain/*/", "dns*", "a b",
            "*.example", "caf\u{e9}",
        ])
    func refused(text: String) {
        #expect(CallerPattern(text) == nil)
    }
}
