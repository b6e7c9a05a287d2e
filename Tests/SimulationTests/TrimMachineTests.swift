import LedgerArchive
import LedgerCore
import LedgerStore
import Testing

/// What leaves etcd, step by step (formats.md, "Archive").
@Suite("The decisions of trimming")
struct TrimMachineTests {
    private static let location = "file:///archive"
    private let keys = LedgerKeys(prefix: "ledger/")

    private func machine(
        retained: UInt64? = 8_192, _ change: (inout TrimSettings) -> Void = { _ in }
    ) -> TrimMachine {
        var settings = TrimSettings(location: Self.location, retainedEvents: retained)
        change(&settings)
        var machine = TrimMachine(settings: settings, keys: keys)
        #expect(machine.woke() == .look)
        return machine
    }

    private func archive(
        through: UInt64, trimmed: UInt64 = 0, revision: Int64 = 9, location: String = Self.location
    ) throws -> LedgerStore.StoredArchive {
        let record = try ArchiveRecord(
            location: location, through: SequenceNumber(through), trimmed: SequenceNumber(trimmed))
        return LedgerStore.StoredArchive(
            record: record, bytes: record.encodedJSON(), revision: Revision(rawValue: revision))
    }

    private func view(
        head: UInt64, _ archive: LedgerStore.StoredArchive?, segments: UInt64? = nil,
        isFenced: Bool = false
    ) throws -> TrimMachine.View {
        let hashes = Array(repeating: Digest.zero, count: head.nonzeroBitCount)
        let trimmed = archive?.record.trimmed.rawValue ?? 0
        return TrimMachine.View(
            head: Head(
                sequence: SequenceNumber(head), eventHash: .zero, sealedTimestamp: 0,
                tree: try MerkleFrontier(size: head, hashes: hashes)),
            format: trimmed > 0 ? .two : .one, isFenced: isFenced, archive: archive,
            digest: SegmentsDigest(count: segments ?? trimmed / 4_096, digest: .zero),
            digestRevision: Revision(rawValue: trimmed > 0 ? 5 : 0))
    }

    /// What is still in etcd of an earlier trim is looked for, and nothing is found.
    private func sweepNothing(_ machine: inout TrimMachine, _ first: TrimMachine.Action) {
        guard case .findBlock(let number) = first else {
            Issue.record("\(first)")
            return
        }
        var next = machine.found(block: number)
        while case .list = next { next = machine.listed([]) }
        #expect(next == .look)
    }

    @Test(
        "up to a multiple of 4,096 that is archived, and older than what stays",
        arguments: [
            (head: 12_287, through: 12_287, trimmed: 0, end: nil),
            (head: 12_288, through: 12_288, trimmed: 0, end: 1),
            (head: 20_479, through: 20_479, trimmed: 0, end: 2),
            (head: 20_480, through: 8_191, trimmed: 0, end: 1),
            (head: 20_480, through: 4_095, trimmed: 0, end: nil),
            (head: 99_999, through: 12_288, trimmed: 8_192, end: 3),
            (head: 99_999, through: 12_287, trimmed: 8_192, end: nil),
            (head: 8_000, through: 8_000, trimmed: 0, end: nil),
        ] as [(head: UInt64, through: UInt64, trimmed: UInt64, end: UInt64?)])
    func goal(head: UInt64, through: UInt64, trimmed: UInt64, end: UInt64?) throws {
        var machine = machine()
        let archive = try archive(through: through, trimmed: trimmed)
        let view = try view(head: head, archive)
        var next = machine.looked(view)
        if trimmed > 0 {
            sweepNothing(&machine, next)
            next = machine.looked(view)
        }
        guard let end else {
            #expect(next == .wait(machine.settings.interval))
            return
        }
        #expect(next == .readBack(trimmed / 4_096..<end))
        let digests = (trimmed / 4_096..<end).map { Digest.sha256([UInt8($0)]) }
        guard case .raise(let trim) = machine.haveReadBack(digests) else {
            Issue.record("nothing is raised")
            return
        }
        var digest = view.digest
        for segment in digests { digest.append(segment) }
        #expect(trim.record.trimmed.rawValue == end * 4_096)
        #expect(trim.record.through.rawValue == through)
        #expect(trim.digest == digest)
        #expect(trim.replacing == archive)
        #expect(trim.format == view.format)
    }

    @Test("a round takes so many segments at most")
    func bounded() throws {
        var machine = machine { $0.segmentsAtOnce = 3 }
        let action = machine.looked(try view(head: 200_000, archive(through: 200_000)))
        #expect(action == .readBack(0..<3))
    }

    @Test("nothing leaves etcd where all is kept, nothing is archived, or a fence stands")
    func nothing() throws {
        let archive = try archive(through: 99_999)
        for (retained, view) in [
            (nil, try view(head: 99_999, archive)), (8_192, try view(head: 99_999, nil)),
            (8_192, try view(head: 99_999, archive, isFenced: true)),
        ] as [(UInt64?, TrimMachine.View)] {
            var machine = machine(retained: retained)
            #expect(machine.looked(view) == .wait(machine.settings.interval))
            #expect(machine.status.failures == 0)
        }
    }

    @Test("nor where the record names another archive, or does not go with the segments' digest")
    func trouble() throws {
        for view in [
            try view(head: 99_999, archive(through: 99_999, location: "s3://other")),
            try view(head: 99_999, archive(through: 99_999, trimmed: 8_192), segments: 1),
            try view(head: 99_999, archive(through: 99_999), segments: 1),
        ] {
            var machine = machine()
            for round in 1...3 {
                #expect(machine.status.trouble == nil, "round \(round)")
                #expect(machine.looked(view) == .wait(machine.settings.interval))
                #expect(machine.woke() == .look)
            }
            #expect(machine.status.trouble != nil)
        }
    }

    @Test("what was not read back is not raised, and what was raised by nobody is not deleted")
    func failures() throws {
        var machine = machine()
        let view = try view(head: 20_480, archive(through: 20_480))
        #expect(machine.looked(view) == .readBack(0..<3))
        #expect(machine.failed("the archive lies") == .wait(machine.settings.interval))
        #expect(machine.haveReadBack([.zero, .zero, .zero]) == .wait(machine.settings.interval))
        for result in [
            .superseded(nil), .superseded(try archive(through: 20_480, trimmed: 4_096)), .unknown,
            .refused,
        ] as [LedgerStore.ArchiveWriting<LedgerStore.StoredArchive>] {
            if case .look = machine.woke() {} else { Issue.record("it does not look") }
            #expect(machine.looked(view) == .readBack(0..<3))
            guard case .raise = machine.haveReadBack([.zero, .zero, .zero]) else {
                Issue.record("nothing is raised")
                return
            }
            switch machine.raised(result) {
            case .look, .wait: break
            case let other: Issue.record("\(result): \(other)")
            }
        }
    }

    @Test("where more is archived while it reads back, it reads back less, down to one segment")
    func slowerThanArchiving() throws {
        var machine = machine { $0.segmentsAtOnce = 4 }
        let view = try view(head: 99_999, archive(through: 99_999))
        func raise(_ count: Int) {
            guard case .raise = machine.haveReadBack(Array(repeating: .zero, count: count)) else {
                Issue.record("nothing is raised")
                return
            }
        }
        let newer = try archive(through: 99_999, revision: 10)
        #expect(machine.looked(view) == .readBack(0..<4))
        for end in [2, 1] as [UInt64] {
            raise(Int(2 * end))
            #expect(machine.raised(.superseded(newer)) == .look)
            #expect(machine.looked(view) == .readBack(0..<end))
        }
        // Not even that: it rests, and says so.
        for _ in 1...3 {
            #expect(machine.status.trouble == nil)
            raise(1)
            #expect(machine.raised(.superseded(newer)) == .wait(machine.settings.interval))
            #expect(machine.woke() == .look)
            #expect(machine.looked(view) == .readBack(0..<1))
        }
        #expect(machine.status.trouble?.contains("is archived while") == true)
        raise(1)
        let trimmed = try archive(through: 99_999, trimmed: 4_096)
        guard case .findBlock = machine.raised(.done(trimmed)) else {
            Issue.record("nothing is deleted")
            return
        }
        #expect(machine.status.trouble == nil)
        _ = machine.found(block: 1)
        var next = machine.listed([])
        while case .list = next { next = machine.listed([]) }
        #expect(next == .look)
        let later = try self.view(head: 99_999, trimmed, segments: 1)
        #expect(machine.looked(later) == .readBack(1..<3), "twice as many again")
    }

    @Test("blocks first, and of them only what ends at or below the trimmed number")
    func deleting() throws {
        var machine = machine { $0.keysAtOnce = 2 }
        let stored = try archive(through: 20_480, trimmed: 8_192)
        #expect(
            machine.looked(try view(head: 20_480, stored)) == .findBlock(atOrBelow: 8_193))
        // The block that begins with 8,000 reaches beyond: it stays.
        #expect(
            machine.found(block: 8_000)
                == .list(
                    LedgerKeys.Range(key: keys.block(1), rangeEnd: keys.block(8_000)), limit: 2))
        let delete = machine.listed([keys.block(1), keys.block(700)])
        guard case .delete(let range, let allowedBy) = delete else {
            Issue.record("\(delete)")
            return
        }
        #expect(allowedBy == stored)
        #expect(range.key == keys.block(1))
        #expect(keys.block(700).lexicographicallyPrecedes(range.rangeEnd))
        #expect(range.rangeEnd.lexicographicallyPrecedes(keys.block(701)))
        // As long a pause as etcd was busy.
        #expect(machine.deleted(.done(2), took: .milliseconds(40)) == .wait(.milliseconds(40)))
        var next = machine.woke()
        var listed: [LedgerKeys.Range] = []
        while case .list(let range, _) = next {
            listed.append(range)
            next = machine.listed([])
        }
        #expect(
            listed == [
                LedgerKeys.Range(key: keys.block(1), rangeEnd: keys.block(8_000)),
                LedgerKeys.Range(key: keys.ids(0), rangeEnd: keys.ids(2)),
                tiles(0, end: 32), tiles(1, end: 0),
            ])
        #expect(next == .look)
        #expect(machine.status.deletedKeys == 2)
    }

    private func tiles(_ level: Int, end: UInt64) -> LedgerKeys.Range {
        LedgerKeys.Range(
            key: keys.tile(TileID(level: level, index: 0)),
            rangeEnd: keys.tile(TileID(level: level, index: end)))
    }

    @Test(
        "tiles of level 1 leave with a full parent only",
        arguments: [
            (head: 16_777_215, trimmed: 131_072, end: 0),
            (head: 16_777_216, trimmed: 131_072, end: 2),
            (head: 16_777_216, trimmed: 65_536 * 2 - 4_096, end: 1),
            (head: 40_000_000, trimmed: 33_554_432 + 65_536, end: 512),
        ] as [(head: UInt64, trimmed: UInt64, end: UInt64)])
    func parents(head: UInt64, trimmed: UInt64, end: UInt64) throws {
        var machine = machine()
        _ = machine.looked(try view(head: head, archive(through: head, trimmed: trimmed)))
        var next = machine.found(block: SequenceNumber(trimmed + 1))
        var last: LedgerKeys.Range?
        while case .list(let range, _) = next {
            last = range
            next = machine.listed([])
        }
        #expect(last == tiles(1, end: end))
    }

    @Test("who finds another record than the one that allowed it begins anew with what that allows")
    func superseded() throws {
        let stored = try archive(through: 20_480, trimmed: 8_192)
        let more = try archive(through: 20_500, trimmed: 8_192, revision: 20)
        let less = try archive(through: 20_480, trimmed: 4_096, revision: 4)
        var machine = machine()
        _ = machine.looked(try view(head: 20_480, stored))
        _ = machine.found(block: 8_193)
        _ = machine.listed([keys.block(1)])
        #expect(
            machine.deleted(.superseded(more), took: .zero) == .findBlock(atOrBelow: 8_193))
        _ = machine.found(block: 8_193)
        guard case .delete(_, let allowedBy) = machine.listed([keys.block(1)]) else {
            Issue.record("nothing is deleted")
            return
        }
        #expect(allowedBy == more)
        // etcd was set back.
        #expect(machine.deleted(.superseded(less), took: .zero) == .look)
        #expect(
            machine.looked(try view(head: 20_480, less)) == .findBlock(atOrBelow: 4_097))
        _ = machine.found(block: 4_097)
        _ = machine.listed([keys.block(1)])
        #expect(machine.deleted(.superseded(nil), took: .zero) == .look)
    }

    @Test("a deletion without an answer is looked at again")
    func unknown() throws {
        var machine = machine()
        _ = machine.looked(try view(head: 20_480, archive(through: 20_480, trimmed: 8_192)))
        _ = machine.found(block: 8_193)
        let listing = TrimMachine.Action.list(
            LedgerKeys.Range(key: keys.block(1), rangeEnd: keys.block(8_193)),
            limit: machine.settings.keysAtOnce)
        _ = machine.listed([keys.block(1)])
        #expect(
            machine.deleted(.unknown, took: .zero) == .wait(machine.settings.interval))
        #expect(machine.woke() == listing)
        #expect(machine.status.deletedKeys == 0)
    }
}
