import LedgerCore
import Testing

@testable import ledgerctl

@Suite("The fence that a recovery lifts")
struct RecoveryFenceTests {
    private func head() throws -> Head {
        Head(
            sequence: 1, eventHash: .zero, sealedTimestamp: 1,
            tree: try MerkleFrontier(size: 1, hashes: [.sha256([1])]))
    }

    private func lost(_ records: [OutsideRecord]) throws -> [OutsideRecord]? {
        ArchiveRecoverCommand.lost(
            FenceRecord(.fenced(reason: "rolled back"), records: records), nil, try head())
    }

    @Test("what was seen beyond the archive is given up, and nothing else")
    func beyond() throws {
        let beyond = OutsideRecord(source: "witness one", size: 9, root: .sha256([9]))
        let within = OutsideRecord(source: "witness two", size: 1, root: .sha256([2]))
        #expect(try lost([beyond, within]) == [beyond])
        #expect(try lost([]) == [])
    }

    @Test("it lifts no fence for another past, and none that it does not understand")
    func anotherPast() throws {
        let other = OutsideRecord(source: "witness one", size: 1, isContradicted: true)
        let beyond = OutsideRecord(source: "witness two", size: 9)
        #expect(try lost([other]) == nil)
        #expect(try lost([beyond, other]) == nil)
        #expect(ArchiveRecoverCommand.lost(nil, nil, try head()) == nil)
    }
}
