/// Bytes that are held for peers, and how many may be.
///
/// Belongs to one event loop.
final class ByteBudget {
    let limit: Int
    private(set) var used = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// - Returns: false, and nothing is taken, where it would be more than the limit.
    func take(_ count: Int) -> Bool {
        guard used + count <= limit else { return false }
        used += count
        return true
    }

    func giveBack(_ count: Int) {
        used -= count
        assert(used >= 0, "more was given back than taken")
    }
}
