import LedgerArchive
import LedgerCore
import ObjectStorage
import Testing

@Suite("Names of an archive's objects")
struct ArchiveNamesTests {
    @Test("names are those of a C2SP log, and of etcd's keys for ids segments")
    func names() {
        #expect(ArchiveNames.checkpoint.text == "checkpoint")
        #expect(ArchiveNames.bundle(1_234_067).text == "tile/entries/x001/x234/067")
        #expect(ArchiveNames.bundle(5, width: 9).text == "tile/entries/005.p/9")
        #expect(
            ArchiveNames.tile(TileID(level: 2, index: 7), width: 255).text == "tile/2/007.p/255")
        #expect(ArchiveNames.segment(12).text == "ids/00000000000000000012")
        #expect(ArchiveNames.segment(.max).text == "ids/18446744073709551615")
        #expect(
            ArchiveNames.partials(of: TilePath(kind: .entries, index: 1_000, width: 3))
                == "tile/entries/x001/000.p/")
    }

    @Test("an object is known by its name and no other")
    func parsing() throws {
        let objects: [ArchiveObject] = [
            .checkpoint, .segment(0), .segment(.max),
            .tile(TilePath(kind: .entries, index: 70_000)),
            .tile(TilePath(kind: .hashes(level: 3), index: 1, width: 17)),
        ]
        for object in objects { #expect(ArchiveObject(object.name) == object) }
        for text in [
            "checkpoint2", "ids/12", "ids/0000000000000000001x", "tile/0/0", "tile/0/000.p/0",
            "tile/64/000", "tile", "other/000", "tile/entries/x000/000",
        ] {
            #expect(ArchiveObject(try ObjectName(text)) == nil, "\(text)")
        }
    }

    @Test("no object is larger than what is asked for")
    func sizes() {
        #expect(ArchiveObject.segment(3).maxByteCount == 33_280)
        #expect(
            ArchiveObject.tile(TilePath(kind: .hashes(level: 1), index: 0, width: 3)).maxByteCount
                == 96)
        #expect(
            ArchiveObject.tile(TilePath(kind: .entries, index: 0)).maxByteCount == 256 * 65_537)
    }
}
