import LedgerCore
import Synchronization

/// The entries of one tile, read while they are sent, each compared with its leaf hash.
actor VerifiedBundle {
    private let listing: EventListing
    private var leaves: ArraySlice<UInt8>
    private let place: OpenBundles.Place

    /// - Parameter leaves: the leaf hashes of the range, 32 bytes each.
    init(
        _ range: ClosedRange<SequenceNumber>, leaves: [UInt8], _ reader: EventReader,
        _ place: OpenBundles.Place
    ) {
        listing = reader.listing(range)
        self.leaves = leaves[...]
        self.place = place
    }

    /// The next entries, framed as in a block; nil after the last.
    ///
    /// - Throws: `CORRUPT` where an entry is not the one that the tree has; what `EventListing` throws.
    func next() async throws -> [UInt8]? {
        guard let events = try await listing.nextEvents() else { return nil }
        var piece: [UInt8] = []
        for event in events {
            let entry = event.entry.encoded()
            let leaf = Digest(bytes: leaves.prefix(Digest.byteCount))
            guard MerkleTree.leafHash(of: entry) == leaf else {
                throw LedgerRPCError.corrupt(
                    "the stored event \(event.entry.sequenceNumber) is not the tree's")
            }
            leaves = leaves.dropFirst(Digest.byteCount)
            Block.append(entry, to: &piece)
        }
        return piece
    }
}

/// How many bundles are being sent: each may hold a decoded block, for as long as its caller reads.
final class OpenBundles: Sendable {
    private static let most = 16

    /// Given back when nobody holds it any more, however the sending ends.
    final class Place: Sendable {
        private let bundles: OpenBundles

        fileprivate init(_ bundles: OpenBundles) {
            self.bundles = bundles
        }

        deinit {
            bundles.count.subtract(1, ordering: .relaxed)
        }
    }

    private let count = Atomic<Int>(0)

    /// Opens a bundle; nil where as many are open as may be.
    func open(
        _ range: ClosedRange<SequenceNumber>, leaves: [UInt8], _ reader: EventReader
    ) -> VerifiedBundle? {
        guard count.add(1, ordering: .relaxed).newValue <= Self.most else {
            count.subtract(1, ordering: .relaxed)
            return nil
        }
        return VerifiedBundle(range, leaves: leaves, reader, Place(self))
    }
}
