internal import Foundation
package import LedgerAPI

extension Ledger_CertifiedEvent {
    /// The message that submits an event.
    package init(_ event: CertifiedEvent) {
        self.init()
        eventID = event.eventID
        payload = Data(event.payload)
        vepsSignature = event.vepsSignature
        vepsTimestamp = event.vepsTimestamp
        metadata = event.metadata
    }
}

extension SealedEvent {
    /// What the service's message says, unchecked.
    package init(_ message: Ledger_SealedEvent) {
        self.init(
            sequenceNumber: message.sequenceNumber,
            eventID: message.eventID,
            payload: [UInt8](message.payload),
            eventHash: message.eventHash,
            previousHash: message.previousHash,
            sealedTimestamp: message.sealedTimestamp,
            commitLatencyMilliseconds: message.commitLatencyMs,
            vepsSignature: message.vepsSignature,
            vepsTimestamp: message.vepsTimestamp,
            metadata: message.metadata,
            submitter: message.submitter)
    }
}

extension Ledger_SealedEvent {
    /// The message that describes an event; for services in tests.
    package init(_ event: SealedEvent) {
        self.init()
        sequenceNumber = event.sequenceNumber
        eventID = event.eventID
        payload = Data(event.payload)
        eventHash = event.eventHash
        previousHash = event.previousHash
        sealedTimestamp = event.sealedTimestamp
        commitLatencyMs = event.commitLatencyMilliseconds
        vepsSignature = event.vepsSignature
        vepsTimestamp = event.vepsTimestamp
        metadata = event.metadata
        submitter = event.submitter
    }
}
