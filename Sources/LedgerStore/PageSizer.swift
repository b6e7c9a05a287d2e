/// Decides how many keys the next page of a walk asks for, so that pages are bounded by bytes.
///
/// etcd bounds an answer by a number of keys alone, and builds it in memory several times before its first byte leaves:
/// one range over 2,048 large blocks took 2.7 GB for 182 MB of payload. So a walk learns the sizes from what came, and
/// keeps what it has learned until its end:
///
/// - a page holds about `target` bytes, by the average of the page before;
/// - it asks for at most twice as many keys as the page before had;
/// - a page that failed because of its size, or took too long, is halved until a single key is left; what came then is
///   the most that is asked for again.
///
/// A pure state machine: whoever reads, a loader, a listing, a verification or a simulation, sends it what happened.
package struct PageSizer: Sendable, Hashable {
    /// The bytes of values that a page should hold.
    package static let defaultTarget = 1 << 20
    /// The keys of a walk's first page where nothing is known of their sizes: 4 MiB at most.
    package static let firstLimit = 4
    /// No page asks for more keys.
    package static let largestLimit = 1_024
    /// A failure does not make the pages smaller than this, for the whole walk pays for it.
    private static let smallestTarget = 64 << 10

    /// How many keys the next page asks for; at least 1.
    package private(set) var limit: Int
    private var target: Int
    private var isAfterFailure = false

    /// - Parameters:
    ///   - unitBytes: the size of every value, where all have the same.
    ///   - target: the bytes of values that a page should hold.
    package init(unitBytes: Int? = nil, target: Int = PageSizer.defaultTarget) {
        self.target = target
        limit = unitBytes.map { Self.fitting(target, $0) } ?? Self.firstLimit
    }

    /// A page came: so many keys, with so many bytes of values in all.
    package mutating func succeeded(keys: Int, bytes: Int) {
        guard keys > 0 else { return }
        if isAfterFailure {
            isAfterFailure = false
            target = min(target, max(bytes, Self.smallestTarget))
        }
        limit = min(Self.fitting(target, bytes / keys), keys * 2)
    }

    /// A page was too large, or took too long.
    ///
    /// - Parameter keys: how many keys it could have had, where that is fewer than `limit`.
    /// - Returns: false where it asked for a single key: there is nothing smaller to ask for.
    package mutating func failed(keys: Int = .max) -> Bool {
        let asked = min(limit, keys)
        guard asked > 1 else { return false }
        limit = asked / 2
        isAfterFailure = true
        return true
    }

    private static func fitting(_ target: Int, _ unit: Int) -> Int {
        min(max(1, target / max(1, unit)), largestLimit)
    }
}

extension PageSizer {
    /// Reads one page, in smaller and smaller pieces where it turns out too large.
    ///
    /// - Parameters:
    ///   - mostKeys: how many keys the page can have at most.
    ///   - bytes: the size of an item's value.
    ///   - read: reads at most so many keys.
    mutating func page<Item>(
        mostKeys: Int = .max, bytes: (Item) -> Int,
        _ read: (Int) async throws(LedgerStoreError) -> [Item]
    ) async throws(LedgerStoreError) -> [Item] {
        while true {
            do throws(LedgerStoreError) {
                let items = try await read(limit)
                succeeded(keys: items.count, bytes: items.reduce(0) { $0 + bytes($1) })
                return items
            } catch {
                guard error.mayBeTooLarge, failed(keys: mostKeys), !Task.isCancelled else {
                    throw error
                }
            }
        }
    }
}
