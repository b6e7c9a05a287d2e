import EtcdGateway
import LedgerCore
import LedgerStore

/// A ledger that was sealed before, batch by batch, so that a world can seal it again without computing anything.
struct PreparedLedger: Sendable {
    struct Batch: Sendable {
        let last: SequenceNumber
        /// Counter, head, block, segment and tiles, as the sealing transaction puts them.
        let puts: [EtcdOperation]
        let tiles: TileStack
    }

    let keys: LedgerKeys
    let batches: [Batch]
    /// Every key that is written for ever, with the batch that puts it.
    let immutable: [(key: [UInt8], value: [UInt8], batch: Int)]
    /// Every full object of the whole ledger's archive.
    let objects: [SimulatedArchive.Name: [UInt8]]
    let blocks: [StoredBlock]

    /// - Parameter sizes: of the batches, in turn.
    init(events: UInt64, sizes: [Int]) throws {
        var writer = LedgerWriter()
        let keys = writer.ledger.keys
        var batches: [Batch] = []
        var immutable: [(key: [UInt8], value: [UInt8], batch: Int)] = []
        var blocks: [StoredBlock] = []
        var round = 0
        while writer.known.head.sequence.rawValue < events {
            let first = writer.known.head.sequence.rawValue + 1
            let size = UInt64(sizes[round % sizes.count])
            round += 1
            let proposal = try writer.propose((first..<first + size).map { "event-\($0)" })
            let transaction = writer.ledger.transactions.sealing(proposal)
            writer.seal(proposal)
            // The format is put by whoever sets the world up.
            let puts = transaction.success.filter {
                if case .put(keys.format, _, _) = $0 { false } else { true }
            }
            for case .put(let key, let value, _) in puts
            where key != keys.counter && key != keys.head {
                immutable.append((key, value, batches.count))
            }
            blocks.append(StoredBlock(first: proposal.first, bytes: proposal.block))
            batches.append(
                Batch(last: proposal.head.sequence, puts: puts, tiles: proposal.tiles))
        }
        self.keys = keys
        self.batches = batches
        self.immutable = immutable
        self.blocks = blocks
        objects = SimulatedArchive.objects(of: writer.store, keys)
    }
}
