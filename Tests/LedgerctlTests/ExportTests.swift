// Beside NIO, the compiler takes `stat` for this module's.
import CDispatch
import Foundation
import LedgerClient
import LedgerVerify
import Testing

@testable import ledgerctl

@Suite("Files that an export writes")
struct ExportTests {
    /// A folder that is removed afterwards.
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "export-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path)
    }

    private func entries(_ count: Int) throws -> [SealedEntry] {
        var entries: [SealedEntry] = []
        for number in 1...count {
            entries.append(
                try SealedEntry(
                    sequenceNumber: UInt64(number), eventID: "e\(number)", payload: [],
                    vepsSignature: "", vepsTimestamp: 0, metadata: [:], submitter: "",
                    sealedTimestamp: 0, previousHash: entries.last?.hash ?? .zero))
        }
        return entries
    }

    @Test("tiles are those of the tree, full ones once and partial ones at the end")
    func tiles() throws {
        let entries = try entries(600)
        var builder = TileBuilder()
        var files: [String: [UInt8]] = [:]
        for entry in entries {
            for file in try builder.append(entry) { files[file.name] = file.bytes }
        }
        #expect(
            Set(files.keys) == [
                "tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001",
            ])
        let partial = builder.partialFiles
        #expect(partial.map(\.name) == TileBuilder.partialNames(size: 600))
        #expect(
            partial.map(\.name) == [
                "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88",
            ])
        #expect(files["tile/0/001"] == entries[256..<512].flatMap(\.leafHash.bytes))
        #expect(partial[0].bytes == entries[512...].flatMap(\.leafHash.bytes))
        #expect(try EntryBundle.entries(partial[2].bytes) == Array(entries[512...]))
        var chain = ChainVerifier()
        for entry in entries { try chain.append(entry) }
        #expect(builder.rootHash == chain.rootHash)
        #expect(throws: VerificationError.self) { try builder.append(entries[0]) }
    }

    @Test("the right edge has no files where there are full tiles only")
    func edges() {
        #expect(TileBuilder.partialNames(size: 0) == [])
        #expect(TileBuilder.partialNames(size: 256) == ["tile/1/000.p/1"])
        #expect(TileBuilder.partialNames(size: 65_536) == ["tile/2/000.p/1"])
        #expect(
            TileBuilder.partialNames(size: 65_537) == [
                "tile/0/256.p/1", "tile/2/000.p/1", "tile/entries/256.p/1",
            ])
        #expect(TileBuilder.partialNames(size: .max).count == 9)
    }

    @Test(
        "a field that a spreadsheet would run has an apostrophe before it",
        arguments: [
            ("", #""""#), ("plain", #""plain""#), ("a,b", #""a,b""#), (#"a"b"#, #""a""b""#),
            ("=1+1", #""'=1+1""#), ("+1", #""'+1""#), ("-1", #""'-1""#), ("@x", #""'@x""#),
            ("\tx", "\"'\tx\""), ("\rx", "\"'\rx\""), ("\r\nx", "\"'\r\nx\""),
            ("'x", #""''x""#), ("\u{FF1D}x", "\"'\u{FF1D}x\""), ("a=b", #""a=b""#),
            ("\"\u{301}", "\"\"\"\u{301}\""), ("=\u{301}", "\"'=\u{301}\""),
        ])
    func csv(text: String, field: String) {
        #expect(CSVLine.text(text).unicodeScalars.elementsEqual(field.unicodeScalars))
    }

    @Test("an event that was written as JSON is read again")
    func record() throws {
        let entry = try SealedEntry(
            sequenceNumber: 7, eventID: "e\u{301}\u{0}\"\\\u{2028}", payload: [0, 255],
            vepsSignature: "s\n", vepsTimestamp: .min, metadata: ["someKey": "v", "a b": ""],
            submitter: "ü", sealedTimestamp: .max, previousHash: .emptyRoot)
        let line = try JSONLine.encode(SealedEventJSON(event: SealedEvent(entry)))
        #expect(try EventRecord.parse(Array(line.utf8)).entry() == entry)
        for bad in ["", "[]", "{}", String(line.dropLast()) + ",\"payload\":\"\"}", "\(line)x"] {
            #expect(throws: EventLine.Problem.self) { try EventRecord.parse(Array(bad.utf8)) }
        }
    }

    @Test("a file is made whole or not at all, and nothing that is there is written over")
    func create() async throws {
        try await withFolder { folder in
            let path = "\(folder)/file"
            try OutputFile.create(path, [1, 2], mode: 0o600)
            #expect(try InputFile.read(path, limit: 2) == [1, 2])
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(throws: FileError.self) { try OutputFile.create(path, [3]) }
            let link = "\(folder)/link"
            try FileManager.default.createSymbolicLink(
                atPath: link, withDestinationPath: "\(folder)/elsewhere")
            #expect(throws: FileError.self) { try OutputFile.create(link, [3]) }
            #expect(throws: FileError.self) { try OutputFile.create("\(folder)/no/file", [3]) }
            #expect(throws: FileError.self) { try OutputFile.create(folder, [3]) }
            #expect(try InputFile.read(path, limit: 2) == [1, 2])
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(Set(names) == ["file", "link"])
            #expect(throws: FileError.self) { try InputFile.read(path, limit: 1) }
        }
    }

    @Test("a folder is written by one export at a time, and not through links")
    func folder() async throws {
        try await withFolder { parent in
            let path = "\(parent)/out"
            let folder = try OutputFolder(path)
            #expect(throws: FileError.self) { try OutputFolder(path) }
            #expect(try ExportState.read(folder) == nil)
            try folder.write("tile/0/x001/000", [1])
            #expect(try folder.read("tile/0/x001/000", limit: 1) == [1])
            #expect(try folder.read("tile/9/000", limit: 1) == nil)
            #expect(throws: FileError.self) { try ExportState.read(folder) }
            try FileManager.default.createSymbolicLink(
                atPath: "\(path)/tile/1", withDestinationPath: parent)
            #expect(throws: FileError.self) { try folder.write("tile/1/000", [1]) }
            #expect(throws: FileError.self) { try folder.read("tile/1/000", limit: 1) }
            try FileManager.default.createSymbolicLink(
                atPath: "\(path)/checkpoint", withDestinationPath: "\(parent)/other")
            #expect(throws: FileError.self) { try folder.read("checkpoint", limit: 1) }
            try folder.remove("tile/0/x001/000")
            #expect(!FileManager.default.fileExists(atPath: "\(path)/tile/0/x001"))
        }
    }

    @Test("a file of lines goes on behind what was safely written, and notices what was changed")
    func lines() async throws {
        try await withFolder { folder in
            let path = "\(folder)/events.csv"
            var file = try LinesFile(path, byteCount: 0, sha256: LinesFile.emptyHash)
            try file.append("one\n")
            try file.sync()
            let (count, hash) = (file.byteCount, file.sha256)
            try file.append("two\n")
            try file.sync()
            var again = try LinesFile(path, byteCount: count, sha256: hash)
            try again.append("three\n")
            try again.sync()
            try again.complete()
            #expect(try InputFile.read(path, limit: 100) == Array("one\nthree\n".utf8))
            #expect(again.byteCount == 10)
            #expect(throws: FileError.self) { try LinesFile(path, byteCount: 11, sha256: hash) }
            try Data("One\n".utf8).write(to: URL(fileURLWithPath: "\(path).partial"))
            #expect(throws: FileError.self) { try LinesFile(path, byteCount: 4, sha256: hash) }
        }
    }

    @Test("how far a range is")
    func progress() {
        let whole = RangeProgress(first: 1, last: 200, verb: "exported")
        #expect(
            whole.text(through: 50, seconds: 2)
                == "[#####---------------] 25 %  50 of 200 events exported, 25/s")
        let resumed = RangeProgress(first: 1, last: 200, begin: 101, verb: "exported")
        #expect(
            resumed.text(through: 150, seconds: 2)
                == "[###############-----] 75 %  150 of 200 events exported, 25/s")
        #expect(
            RangeProgress(first: 1, last: 0, verb: "x").text(through: 0, seconds: 0).hasPrefix(
                "0 of 0"))
    }
}
