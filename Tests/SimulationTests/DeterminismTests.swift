import Testing

/// Without this no failure could be replayed.
@Suite("Virtual time")
struct DeterminismTests {
    @Test("the same seed gives the same history, job by job", arguments: Seeds.of(4))
    func sameSeed(seed: UInt64) throws {
        let worlds = try (0..<2).map { _ in
            let world = try ReplicationTests.troubled(seed: seed)
            try world.end()
            return world
        }
        let outcomes = worlds.map { $0.history.submissions.map(\.outcome) }
        #expect(worlds[0].time.trace == worlds[1].time.trace, "seed \(seed)")
        #expect(outcomes[0] == outcomes[1], "seed \(seed)")
        #expect(outcomes[0].count > 250)
    }

    @Test("another seed gives another history")
    func otherSeed() throws {
        let traces = try [1, 2].map { try ReplicationTests.troubled(seed: $0).time.trace }
        #expect(traces[0] != traces[1])
    }
}
