import LedgerCore
import LedgerTransparency
import Testing

@Suite("PastComparison")
struct PastComparisonTests {
    /// A ledger of five events, and its roots.
    private let head: Head
    private let roots: [Digest]

    init() {
        var frontier = MerkleFrontier()
        var roots: [Digest] = [frontier.root]
        for number in 1...5 {
            frontier.append(.sha256([UInt8(number)]))
            roots.append(frontier.root)
        }
        self.roots = roots
        head = Head(
            sequence: SequenceNumber(rawValue: 5), eventHash: .zero, sealedTimestamp: 0,
            tree: frontier)
    }

    private func found(
        _ records: [OutsideRecord], _ decision: FenceRecord? = nil
    ) async -> [UInt64] {
        await PastComparison(records, decision: decision)
            .contradictions(of: head) { roots[Int($0)] }.map(\.size)
    }

    @Test("a root that cannot be read hides no other contradiction")
    func unreadable() async {
        let records = [
            OutsideRecord(source: "a", size: 2, root: .zero),
            OutsideRecord(source: "b", size: 6),
            OutsideRecord(source: "c", size: 3, root: .zero),
        ]
        let found = await PastComparison(records, decision: nil)
            .contradictions(of: head) { $0 == 2 ? nil : roots[Int($0)] }
        #expect(found.map(\.size) == [6, 3])
    }

    @Test("what agrees is none, whether its root is known or not")
    func agrees() async {
        for size in 0...5 {
            let records = [
                OutsideRecord(source: "a", size: UInt64(size), root: roots[size]),
                OutsideRecord(source: "b", size: UInt64(size)),
            ]
            #expect(await found(records) == [], "\(size)")
        }
    }

    @Test("more events, another root, or an open contradiction is one")
    func contradicts() async {
        #expect(await found([OutsideRecord(source: "a", size: 6)]) == [6])
        for size: UInt64 in 1...5 {
            #expect(
                await found([OutsideRecord(source: "a", size: size, root: .zero)]) == [size])
        }
        #expect(
            await found([OutsideRecord(source: "a", size: 2, isContradicted: true)]) == [2])
    }

    @Test("what was given up is none any more, and what was accepted must be there still")
    func decided() async {
        let lost = OutsideRecord(source: "a", size: 9, root: .zero)
        let accepted = FenceRecord(.accepted(size: 3, root: roots[3]), records: [lost])
        #expect(await found([lost], accepted) == [])
        #expect(await found([OutsideRecord(source: "a", size: 10)], accepted) == [10])
        let other = FenceRecord(.accepted(size: 3, root: .zero), records: [lost])
        #expect(await found([lost], other) == [3])
        let more = FenceRecord(.accepted(size: 7, root: .zero), records: [])
        #expect(await found([], more) == [7])
        #expect(await found([lost], FenceRecord(.fenced(reason: ""), records: [lost])) == [9])
    }
}
