internal import GRPCCore
internal import GRPCProtobuf
internal import LedgerAPI
internal import Synchronization

/// Serializes an event, and remembers that it did.
///
/// A message that was never serialized never left the process: this is how a client knows that an
/// attempt certainly sealed nothing although no service said so. The transport serializes a message
/// only when it has a connection, and the call does not return while it might still do so.
final class TrackingSerializer: MessageSerializer {
    private let used = Atomic(false)

    /// Whether a message may have been sent.
    var wasUsed: Bool { used.load(ordering: .acquiring) }

    func serialize<Bytes: GRPCContiguousBytes>(_ message: Ledger_CertifiedEvent) throws -> Bytes {
        used.store(true, ordering: .releasing)
        return try ProtobufSerializer<Ledger_CertifiedEvent>().serialize(message)
    }
}
