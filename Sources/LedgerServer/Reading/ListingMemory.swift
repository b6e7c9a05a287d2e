import Synchronization

/// Bounds the bytes that all listings together hold for callers that have not read them yet.
///
/// Nobody waits here, for who holds something may hold it as long as its caller likes: a listing that gets nothing
/// reads one block at a time, and keeps nothing of it while its caller reads.
package final class ListingMemory: Sendable {
    private let held = Atomic<Int>(0)
    private let listings = Atomic<Int>(0)
    private let maxBytes: Int

    /// - Parameter maxBytes: `LEDGER_MAX_LISTING_BYTES`.
    package init(maxBytes: Int) {
        self.maxBytes = maxBytes
    }

    /// The bytes that are held now.
    package var byteCount: Int { held.load(ordering: .relaxed) }
    /// The listings that are open now.
    package var listingCount: Int { listings.load(ordering: .relaxed) }

    /// - Returns: whether so many bytes may be held, until they are given back.
    func take(_ bytes: Int) -> Bool {
        let after = held.add(bytes, ordering: .relaxed).newValue
        if after <= maxBytes { return true }
        giveBack(bytes)
        return false
    }

    func giveBack(_ bytes: Int) {
        held.subtract(bytes, ordering: .relaxed)
    }

    func opened() { listings.add(1, ordering: .relaxed) }
    func closed() { listings.subtract(1, ordering: .relaxed) }
}
