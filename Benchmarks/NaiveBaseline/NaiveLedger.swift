internal import EtcdGateway
internal import LedgerCore

/// The naive protocol: read the counter, then seal one event in a transaction that compares the
/// counter's revision, with a key for the event and one for its id.
///
/// It writes the very entries that the ledger writes, chained by their hashes. The previous hash is
/// remembered and not read, so that the figures are those of the protocol at its best.
struct NaiveLedger {
    private let etcd: EtcdClient
    private let keys: LedgerKeys
    private let idPrefix: [UInt8]
    private let payload: [UInt8]
    private let runID = String(UInt64.random(in: 0...UInt64.max), radix: 36)
    private var previousHash = EventHash.zero

    init(etcd: EtcdClient, prefix: String, payloadBytes: Int) {
        self.etcd = etcd
        keys = LedgerKeys(prefix: prefix)
        idPrefix = Array((prefix + "id/").utf8)
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
        payload = (0..<payloadBytes).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] }
    }

    /// Seals one event; false where somebody else changed the counter in between.
    mutating func sealNext() async throws -> Bool {
        let counter = try await etcd.range(EtcdRangeRequest(key: keys.counter)).kvs.first
        let last = try counter.map { try SequenceNumber(canonicalDecimal: $0.value) } ?? .zero
        let number = last.next
        let eventID = Array("naive-\(runID)-\(number)".utf8)
        let entry = try encode(eventID, number)
        let transaction = EtcdTransaction(
            compares: [.modRevision(key: keys.counter, equals: counter?.modRevision ?? 0)],
            success: [
                .put(key: keys.counter, value: number.canonicalDecimal),
                .put(key: keys.block(number), value: entry),
                .put(key: idPrefix + eventID, value: number.canonicalDecimal),
            ])
        guard try await etcd.transaction(transaction).succeeded else { return false }
        previousHash = EventHash.sha256(entry)
        return true
    }

    private func encode(_ eventID: [UInt8], _ number: SequenceNumber) throws -> [UInt8] {
        let now = SystemTime.epochMilliseconds
        let event = try CertifiedEvent(
            eventID: eventID, payload: payload, vepsSignature: [], vepsTimestamp: now,
            metadata: [], submitter: [], limits: EventLimits())
        return EntryTemplate(event).bytes(
            sequenceNumber: number, sealedTimestamp: now, previousHash: previousHash)
    }
}
