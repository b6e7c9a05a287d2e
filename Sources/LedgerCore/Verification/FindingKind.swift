/// What does not match, by its name in the API's `Finding.kind`.
///
/// The order of the cases is the order in which several findings at one number are reported.
package enum FindingKind: String, Hashable, Comparable, Sendable, CaseIterable {
    /// No block holds the number although the head lies at or beyond it.
    case blockMissing = "block_missing"
    /// Two blocks hold the number.
    case blockOverlap = "block_overlap"
    /// The bytes are no entry, or their block cannot be split there.
    case entryMalformed = "entry_malformed"
    /// The entry carries another number than its place gives it.
    case wrongNumber = "wrong_number"
    /// The entry was sealed at an earlier time than the one before it.
    case timestampBackwards = "timestamp_backwards"
    /// The next entry's previous hash is not the hash of this entry.
    case linkBroken = "link_broken"
    /// The head says something else of the events than their bytes.
    case headMismatch = "head_mismatch"
    /// A full tile is missing or says something else than the bytes.
    case tileMismatch = "tile_mismatch"
    /// A full ids segment is missing or says something else than the bytes.
    case idsMismatch = "ids_mismatch"
    /// The published checkpoint says something else than the bytes.
    case checkpointMismatch = "checkpoint_mismatch"
    /// An event lies beyond the head.
    case beyondHead = "beyond_head"

    /// Whether it is about what is said of events beside their chain, so that whoever verifies can go on from event to
    /// event behind it.
    var isOfRecord: Bool {
        switch self {
        case .tileMismatch, .idsMismatch, .checkpointMismatch: true
        case .blockMissing, .blockOverlap, .entryMalformed, .wrongNumber, .timestampBackwards,
            .linkBroken, .headMismatch, .beyondHead:
            false
        }
    }

    package static func < (left: FindingKind, right: FindingKind) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? Self.allCases.count }
}
