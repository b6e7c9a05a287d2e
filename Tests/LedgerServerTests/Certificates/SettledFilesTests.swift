import Testing

@testable import LedgerServer

@Suite("SettledFiles")
struct SettledFilesTests {
    private func look(_ contents: String...) -> SettledFiles.Look {
        .contents(contents.map { Array($0.utf8) })
    }

    private let unreadable = SettledFiles.Look.unreadable(
        ConfigurationError(missing: "LEDGER_TLS_CERT", accepted: "a file"))

    private func files(_ contents: String...) -> SettledFiles {
        SettledFiles(contents.map { Array($0.utf8) })
    }

    @Test("what is used already is no change, however often it is seen")
    func unchanged() {
        var files = files("a", "b")
        for _ in 0..<3 { #expect(files.note(look("a", "b")) == nil) }
    }

    @Test("a change counts when it is seen for the second time, and once")
    func settled() {
        var files = files("a")
        #expect(files.note(look("b")) == nil)
        #expect(files.note(look("b")) == look("b"))
        #expect(files.note(look("b")) == nil)
    }

    @Test("a bundle that is being written is never taken over before it is whole")
    func torn() {
        var files = files("first")
        for part in ["", "fi", "first", "first sec", "first second"] {
            #expect(files.note(look(part)) == nil)
        }
        #expect(files.note(look("first second")) == look("first second"))
    }

    @Test("of two files, one that was replaced waits for the other")
    func pair() {
        var files = files("certificate", "key")
        #expect(files.note(look("certificate 2", "key")) == nil)
        #expect(files.note(look("certificate 2", "key 2")) == nil)
        #expect(files.note(look("certificate 2", "key 2")) == look("certificate 2", "key 2"))
    }

    @Test("what was there for one look, before the old contents came back, is forgotten")
    func forgotten() {
        var files = files("a")
        #expect(files.note(look("b")) == nil)
        #expect(files.note(look("a")) == nil)
        #expect(files.note(look("b")) == nil)
        #expect(files.note(look("b")) == look("b"))
    }

    @Test("a file that is gone counts as a change, and so does its coming back")
    func unreadableFiles() {
        var files = files("a")
        #expect(files.note(unreadable) == nil)
        #expect(files.note(unreadable) == unreadable)
        #expect(files.note(unreadable) == nil)
        #expect(files.note(look("a")) == nil)
        #expect(files.note(look("a")) == look("a"))
    }
}
