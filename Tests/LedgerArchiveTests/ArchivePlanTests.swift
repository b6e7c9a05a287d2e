import LedgerArchive
import LedgerCore
import ObjectStorage
import Testing

@testable import ledgerctl

@Suite("What an archive needs to grow")
struct ArchivePlanTests {
    /// The names that a plan makes.
    private func names(_ plan: ArchivePlan) -> Set<String> {
        var names: Set<String> = []
        for level in 0..<plan.levels {
            for index in plan.tiles(level: level) {
                let width = plan.width(level: level, index: index)
                names.insert(
                    ArchiveNames.tile(TileID(level: level, index: index), width: width).text)
                if level == 0 { names.insert(ArchiveNames.bundle(index, width: width).text) }
            }
        }
        return names
    }

    @Test("from nothing it is every full tile and the partial ones of that size")
    func fromNothing() {
        let plan = ArchivePlan(from: 0, to: 65_536 + 300)
        let names = names(plan)
        #expect(names.count == 257 + 1 + 257 + 1 + 1 + 1 + 1 - 1)
        for name in [
            "tile/0/000", "tile/entries/255", "tile/0/256", "tile/entries/256", "tile/0/257.p/44",
            "tile/entries/257.p/44", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1",
        ] {
            #expect(names.contains(name), "\(name)")
        }
        #expect(plan.segments == 0..<16)
        #expect(ArchivePlan(from: 0, to: 0).levels == 0)
        #expect(ArchivePlan(from: 0, to: 0).bundles.isEmpty)
    }

    @Test(
        "a log that grew step by step has what a log made at once has, and partial ones beside it")
    func growing() {
        let sizes: [UInt64] = [
            1, 2, 255, 256, 257, 300, 511, 512, 4_096, 4_097, 65_535, 65_536, 65_537, 70_000,
            131_072,
        ]
        var made: Set<String> = []
        var before: UInt64 = 0
        var segments: [UInt64] = []
        for size in sizes {
            let plan = ArchivePlan(from: before, to: size)
            made.formUnion(names(plan))
            segments += plan.segments
            let atOnce = names(ArchivePlan(from: 0, to: size))
            #expect(made.isSuperset(of: atOnce), "\(size)")
            // What is superseded is nothing that the log needs.
            for path in plan.superseded {
                #expect(!atOnce.contains("tile/\(path.text)"), "\(path.text) at \(size)")
            }
            made.subtract(plan.superseded.map { "tile/\($0.text)" })
            #expect(made == atOnce, "\(size)")
            before = size
        }
        #expect(segments == Array(0..<32))
    }

    @Test("partial objects are those that ledgerctl export makes")
    func partials() {
        for size: UInt64 in [1, 255, 256, 257, 65_535, 65_536, 65_793, 1 << 24, (1 << 24) + 7] {
            #expect(
                Set(ArchivePlan.partials(size: size).map { "tile/\($0.text)" })
                    == Set(TileBuilder.partialNames(size: size)), "\(size)")
        }
    }
}
