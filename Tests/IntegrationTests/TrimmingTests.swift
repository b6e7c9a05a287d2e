import EtcdGateway
import Foundation
import LedgerAPI
import LedgerArchive
import LedgerCore
import LedgerReplica
import LedgerStore
import LedgerTransparency
import Logging
import TestSupport
import Testing

extension Integration {
    /// Old events leave etcd while a service seals.
    @Suite("Trimming")
    struct TrimmingTests {
        @Test(
            "protocol.md 26: a trimmer that is killed again and again under load deletes what is archived, and nothing else; the service seals on, and everything is read as before"
        )
        func underLoad() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                try await withKeys(of: ledger) { stored in
                    for part in 1...4 {
                        try await seal("part-\(part)", 4_200, ledger)
                    }
                    let before = try await stored.everything()
                    let archive = try BuiltArchive(before, stored.keys)
                    let store = LedgerStore(
                        store: stored.client, keys: stored.keys, archived: archive)
                    let record = try ArchiveRecord(
                        location: "file:///archive", through: archive.through)
                    guard
                        case .done = await store.putArchive(
                            record, replacing: nil, timeout: .seconds(5))
                    else { throw TestFailure("the record was not put") }

                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask {
                            for part in 5...12 { try await seal("part-\(part)", 300, ledger) }
                        }
                        try await trimKilled(store, archive)
                        try await group.waitForAll()
                    }

                    // Each ends with the first number that stays.
                    let kept = try await stored.everything()
                    let keys = stored.keys
                    #expect(try await stored.value(keys.format) == LedgerFormat.two.value)
                    #expect(try await store.archive()?.record.trimmed == 8_192)
                    #expect(kept.compactMap { keys.segmentNumber($0.key) }.min() == 2)
                    #expect(
                        kept.compactMap { keys.tileID($0.key) }.filter { $0.level == 0 }
                            .map(\.index).min() == 32)
                    let lasts = try kept.compactMap { pair in
                        try keys.blockNumber(pair.key).map {
                            try Block(decoding: pair.value, firstNumber: $0).lastNumber
                        }
                    }
                    #expect(lasts.allSatisfy { $0 > 8_192 })

                    // Another process, which knows nothing yet.
                    let fresh = LedgerStore(
                        store: stored.client, keys: keys, archived: archive)
                    let head = try await fresh.observe().observation
                    #expect(head.head.sequence == 19_200)
                    #expect(head.format == .two)
                    let loaded = try await LedgerLoader(fresh).load(upTo: head, indexSeed: 5)
                    #expect(loaded.head == head.head)
                    var pages = BlockPages(fresh, from: .first, through: head.head.sequence)
                    var next = SequenceNumber.first
                    var old: [[UInt8]: [UInt8]] = [:]
                    for pair in before { old[pair.key] = pair.value }
                    while case let page = try await pages.nextPage(), !page.isEmpty {
                        for block in page {
                            #expect(block.first == next)
                            let was = old[keys.block(block.first)]
                            #expect(was == nil || was == block.bytes)
                            next = try Block(decoding: block.bytes, firstNumber: next)
                                .lastNumber.next
                        }
                    }
                    #expect(next == head.head.sequence.next)
                    try await seal("last", 10, ledger)
                    #expect(!ledger.process.log.contains("sealing has stopped"))
                }
            }
        }

        private func seal(_ prefix: String, _ count: Int, _ ledger: LedgerFixture) async throws {
            let events = Ledger_CertifiedEvent.samples(prefix, count: count)
            let answers = try await ledger.calls.submitStream(events)
            let sealed = answers.count { $0.isSealed }
            guard sealed == count else {
                throw TestFailure("\(sealed) of \(count) events of \(prefix) are sealed")
            }
        }

        /// Trims until nothing is left to be deleted. Every trimmer is killed after a few steps, and another one begins.
        private func trimKilled(_ store: LedgerStore, _ archive: BuiltArchive) async throws {
            let observation = try await store.observe().observation
            let tiles = try await LedgerLoader(store).load(upTo: observation, indexSeed: 1).tiles
            let tree = TreeReader(store: store, tree: { tiles })
            var settings = TrimSettings(
                location: "file:///archive", retainedEvents: TrimSettings.leastRetained)
            settings.segmentsAtOnce = 1
            settings.keysAtOnce = 4
            var looksInVain = 0
            while looksInVain < 2 {
                let trimmer = Trimmer(
                    settings: settings, store: store,
                    archive: ArchiveReadBack(store: store, archive: archive, tree: tree),
                    clock: HastyClock(), logger: Logger(label: "test"), isWanted: { true })
                var action = TrimMachine.Action.wait(.zero)
                var hasDone = false
                let steps = Int.random(in: 4...24)
                for _ in 0..<steps {
                    if case .raise = action { hasDone = true }
                    if case .delete = action { hasDone = true }
                    action = await trimmer.perform(action)
                }
                let trimmed = try await store.archive()?.record.trimmed ?? .zero
                if hasDone || trimmed < 8_192 {
                    looksInVain = 0
                } else if steps >= 12 {
                    // So many are enough to look for everything that may be left.
                    looksInVain += 1
                }
            }
        }
    }
}

/// What an archive has of a ledger that is whole in etcd.
private struct BuiltArchive: ArchivedPast {
    private var bundles: [UInt64: [UInt8]] = [:]
    private var tiles: [TileID: [UInt8]] = [:]
    private var segments: [UInt64: [UInt8]] = [:]
    private(set) var through = SequenceNumber.zero

    init(_ pairs: [EtcdKeyValue], _ keys: LedgerKeys) throws {
        var bundle: [UInt8] = []
        for pair in pairs {
            if let id = keys.tileID(pair.key) { tiles[id] = pair.value }
            if let number = keys.segmentNumber(pair.key) { segments[number] = pair.value }
            guard let first = keys.blockNumber(pair.key) else { continue }
            for entry in try Block(decoding: pair.value, firstNumber: first).entries {
                through = through.next
                Block.append(entry, to: &bundle)
                if through.rawValue.isMultiple(of: 256) {
                    bundles[through.rawValue / 256 - 1] = bundle
                    bundle = []
                }
            }
        }
    }

    private func found(_ bytes: [UInt8]?) throws(LedgerStoreError) -> [UInt8] {
        guard let bytes else { throw .archive(.unavailable("no such object")) }
        return bytes
    }

    func bundle(_ index: UInt64, _ trust: ArchiveTrust) async throws(LedgerStoreError) -> [UInt8] {
        try found(bundles[index])
    }

    func tile(_ id: TileID) async throws(LedgerStoreError) -> [UInt8] { try found(tiles[id]) }

    func segment(
        _ number: UInt64, _ trust: ArchiveTrust
    ) async throws(LedgerStoreError) -> [UInt8] { try found(segments[number]) }
}

/// Waits a millisecond where five seconds are asked for.
private struct HastyClock: ReplicaClock {
    var now: MonotonicInstant {
        MonotonicInstant(nanoseconds: Int64(DispatchTime.now().uptimeNanoseconds))
    }
    var moment: Moment { Moment(now: now, wall: .unsampled) }
    func sleep(for length: Nanoseconds) async throws {
        try await Task.sleep(for: .milliseconds(1))
    }
    func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
}
