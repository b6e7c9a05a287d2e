import LedgerArchive
import LedgerCore
import LedgerStore
import Testing

/// Archiving and trimming in a store that fails, with an archive that lies. A failure prints its seed;
/// `LEDGER_SIMULATION_SEED` replays it.
@Suite("Simulated archive")
struct TrimmingSimulationTests {
    /// Blocks that straddle what is trimmed, that end with it, and small ones.
    private static let sizes = [[700, 333, 1_024, 3], [1_024, 1_024, 1_024, 1_024, 1, 900, 77]]

    @Test(
        "protocol.md 26: no event is lost, missed or unreadable, whoever archives, trims, crashes and restores, and whatever the archive answers",
        arguments: Seeds.of(4))
    func everything(seed: UInt64) async throws {
        let ledger = try PreparedLedger.with(
            events: 17_000, sizes: Self.sizes[Int(seed % UInt64(Self.sizes.count))])
        // So many that trimming begins while everything goes wrong.
        let world = ArchiveWorld(
            ledger, sealed: ledger.batches.count * 3 / 4, chooser: SeededChooser(seed: seed))
        for _ in 0..<1_800 where world.violations.isEmpty { await world.step() }
        #expect(world.violations == [], "seed \(seed)")
        // Everything that was begun comes to its end.
        world.isCalm = true
        world.mend()
        world.chooser.faults = false
        let last = ledger.head
        let goal = SequenceNumber(
            (last.rawValue - TrimSettings.leastRetained) / 4_096 * 4_096)
        // Looking whether all is done decodes every block: a hundred steps cost less.
        for _ in 0..<80 where world.violations.isEmpty && !isDone(world, goal) {
            for _ in 0..<100 where world.violations.isEmpty { await world.step() }
        }
        #expect(world.violations == [], "seed \(seed)")
        #expect(world.trimmed == goal, "seed \(seed): \(world.trimmerTrouble)")
        #expect(world.etcd.deletable(ledger.keys, trimmed: goal) == [], "seed \(seed)")
        // Nothing else is gone, and everything is read as it was.
        let store = world.store(
            archived: LyingArchive(objects: world.objects, known: nil), fails: false)
        var pages = BlockPages(store, from: .first, through: last)
        var found: [StoredBlock] = []
        while case let page = try await pages.nextPage(), !page.isEmpty { found += page }
        #expect(found.map(\.first) == ledger.blocks.map(\.first), "seed \(seed)")
        #expect(zip(found, ledger.blocks).allSatisfy { isSame($0.bytes, $1.bytes) }, "seed \(seed)")
        let observation = try await store.observe().observation
        #expect(observation.format == .two)
        let state = try await LedgerLoader(store).load(upTo: observation, indexSeed: 1)
        #expect(state.head.sequence == last)
    }

    private func isDone(_ world: ArchiveWorld, _ goal: SequenceNumber) -> Bool {
        world.trimmed == goal
            && world.etcd.deletable(world.keys, trimmed: goal).isEmpty
    }
}
