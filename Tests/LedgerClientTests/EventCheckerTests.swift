import LedgerClient
import Testing

@Suite("Checking what the service answers")
struct EventCheckerTests {
    private let checker = EventChecker(checksHashes: true, service: "s")
    private let event = testEvent("e")
    private let sealed = FakeLedger().seal(testEvent("e"))

    private func duplicate(_ original: SealedEvent) -> LedgerError {
        LedgerError(.duplicate(original: original), sealed: .yes, message: "")
    }

    @Test("The submitted event with its right hash is accepted")
    func accepted() throws {
        #expect(try checker.checked(sealed, answers: event).get() == sealed)
    }

    @Test("An event with another content is refused, even where hashes are not checked")
    func otherContent() {
        for checksHashes in [true, false] {
            let checker = EventChecker(checksHashes: checksHashes, service: "s")
            let other = FakeLedger().seal(testEvent("other"))
            let result = checker.checked(other, answers: event)
            #expect(throws: LedgerError.self) { try result.get() }
        }
    }

    @Test("Strings are compared as bytes, not by Unicode equivalence")
    func bytesNotCharacters() {
        let composed = testEvent("\u{E9}")
        let sealed = FakeLedger().seal(testEvent("e\u{301}"))
        #expect(sealed.eventID == composed.eventID)
        #expect(throws: LedgerError.self) {
            try checker.checked(sealed, answers: composed).get()
        }
    }

    @Test("A wrong hash is refused, and nothing is said about the event")
    func wrongHash() {
        var wrong = sealed
        wrong.sealedTimestamp += 1
        let error = #expect(throws: LedgerError.self) {
            try checker.checked(wrong, answers: event).get()
        }
        #expect(error?.kind == .corrupt)
        #expect(error?.sealed == .unknown)
        let lenient = EventChecker(checksHashes: false, service: "s")
        #expect(throws: Never.self) { try lenient.checked(wrong, answers: event).get() }
    }

    @Test("What a duplicate's original leaves out is completed, and proved by the hash")
    func shortenedOriginal() {
        var original = sealed
        original.payload = []
        original.metadata = [:]
        let error = checker.checked(duplicate(original), answers: event)
        #expect(error.kind == .duplicate(original: sealed))
        #expect(error.sealed == .yes)
    }

    @Test("A duplicate whose original has another content is refused")
    func falseDuplicate() {
        let other = FakeLedger().seal(testEvent("e", payload: [9]))
        #expect(checker.checked(duplicate(other), answers: event).kind == .corrupt)
        var shortened = other
        shortened.payload = []
        #expect(checker.checked(duplicate(shortened), answers: event).kind == .corrupt)
    }

    @Test("Reading refuses gaps, wrong hashes and broken links")
    func link() throws {
        let ledger = FakeLedger()
        let events = (1...3).map { ledger.seal(testEvent("e\($0)")) }
        var link = EventLink(first: 1, checker: checker)
        _ = try link.accept(events[0])
        #expect(throws: LedgerError.self) { try link.accept(events[2]) }
        var unlinked = events[1]
        unlinked.previousHash = String(repeating: "a", count: 64)
        unlinked.eventHash = unlinked.recomputedHash ?? ""
        #expect(throws: LedgerError.self) { try link.accept(unlinked) }
        _ = try link.accept(events[1])
        #expect(link.next == 3)
        #expect(link.count == 2)
    }
}
