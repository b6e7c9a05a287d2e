/// How much may be written to the store before the reserve of its quota begins.
///
/// Its members are asked from time to time how large their databases are. What is sealed in between counts as written:
/// between two questions more can be sealed than the whole reserve of a small quota.
struct StorageRoom: Sendable {
    /// What a transaction writes beside its block: counter, head, and its part of tiles and segments.
    private static let overhead = 4_096

    /// Nil while no quota is known: then nothing is refused for it.
    private var bytes: Int64?

    /// The members were asked.
    ///
    /// - Parameter bytes: nil where nothing new is known.
    mutating func measured(_ bytes: Int64?) {
        self.bytes = bytes ?? self.bytes
    }

    /// A block of so many bytes was written.
    mutating func note(written count: Int) {
        // A fifth more, for pages are never full.
        bytes? -= Int64(count + count / 5 + Self.overhead)
    }

    /// Whether nothing more is to be accepted. What waits already is written all the same, into the reserve: the queue is
    /// bounded by less than that (`LEDGER_MAX_QUEUED_BYTES`).
    var isUsedUp: Bool { bytes.map { $0 <= 0 } ?? false }
}
