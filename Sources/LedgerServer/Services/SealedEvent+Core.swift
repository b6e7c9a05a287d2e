import Foundation
package import LedgerAPI
package import LedgerCore

extension Ledger_SealedEvent {
    /// A sealed event as it was read: `commit_latency_ms` is 0 in answers to reads.
    package init(_ sealed: SealedEntry) {
        self.init(
            sealed.entry.event,
            Seal(
                sequenceNumber: sealed.entry.sequenceNumber, eventHash: sealed.eventHash,
                previousHash: sealed.entry.previousHash,
                sealedTimestamp: sealed.entry.sealedTimestamp))
    }

    /// An event with what sealing gave it.
    package init(_ event: CertifiedEvent, _ seal: Seal, latency: Nanoseconds? = nil) {
        self.init()
        sequenceNumber = seal.sequenceNumber.rawValue
        eventID = String(decoding: event.eventID.utf8, as: UTF8.self)
        payload = Data(event.payload)
        eventHash = seal.eventHash.hex
        previousHash = seal.previousHash.hex
        sealedTimestamp = seal.sealedTimestamp
        // For a commit it is at least 1, so that 0 always means a read.
        commitLatencyMs = latency.map { max(1, $0.millisecondsRoundedUp) } ?? 0
        vepsSignature = String(decoding: event.vepsSignature, as: UTF8.self)
        vepsTimestamp = event.vepsTimestamp
        for pair in event.metadata {
            metadata[String(decoding: pair.key, as: UTF8.self)] =
                String(decoding: pair.value, as: UTF8.self)
        }
        submitter = String(decoding: event.submitter, as: UTF8.self)
    }
}
