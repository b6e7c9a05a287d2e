import LedgerAPI
import LedgerCore
import Synchronization

/// What this replica tells others of itself: the hint that leads here, which is known only once its port listens, and
/// when it was started.
final class OwnHint: Sendable {
    let startedAt: MonotonicInstant
    private let known = Mutex<SealerHint?>(nil)

    init(startedAt: MonotonicInstant) {
        self.startedAt = startedAt
    }

    var hint: SealerHint? { known.withLock { $0 } }

    func set(_ hint: SealerHint) {
        known.withLock { $0 = hint }
    }
}

extension SealingCandidate {
    /// A DNS name has 253 bytes at most; a port and an IPv6 address's brackets come on top.
    private static let maxAddressBytes = 264
    private static let maxIDBytes = 64

    /// What a greeting tells of the replica that sent it.
    ///
    /// It may become the value of a key that every replica reads, so it is a plain `host:port` and a plain id or nothing.
    ///
    /// - Parameter now: when the greeting came.
    /// - Returns: nil where the caller has told nothing, as earlier versions do, or nothing that makes sense.
    init?(_ greeting: Ledger_Internal_Greeting, at now: MonotonicInstant) {
        guard (1...Self.maxAddressBytes).contains(greeting.address.utf8.count),
            (1...Self.maxIDBytes).contains(greeting.id.utf8.count),
            greeting.address.utf8.allSatisfy({ Self.isPlain($0) || "[]:".utf8.contains($0) }),
            greeting.id.utf8.allSatisfy(Self.isPlain), HostPort(greeting.address) != nil,
            greeting.age >= 0
        else { return nil }
        self.init(
            hint: SealerHint(address: greeting.address, id: greeting.id),
            startedAt: now - Nanoseconds(greeting.age))
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
            UInt8(ascii: "_"), UInt8(ascii: "%"):
            true
        default: false
        }
    }
}
