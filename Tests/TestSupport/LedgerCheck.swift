package import LedgerAPI
import LedgerCore

/// Holds a ledger, as it was read, against the formats and against what callers were told.
///
/// Nothing here is the service's own verification: hashes and links are computed anew.
package struct LedgerCheck: Sendable {
    package let events: [Ledger_SealedEvent]

    /// - Parameter events: The whole ledger, from its first event on.
    package init(_ events: [Ledger_SealedEvent]) {
        self.events = events
    }

    /// Reads and checks the whole ledger, with `VerifyEvents` as well.
    ///
    /// - Returns: What contradicts; empty for a sound ledger.
    package static func contradictions(
        _ calls: LedgerCalls, _ log: SubmissionLog = SubmissionLog()
    ) async throws -> [String] {
        let events = try await calls.events()
        let check = LedgerCheck(events)
        var found = check.chainContradictions + check.contradictions(with: log)
        let verification = try await calls.verify()
        if !verification.valid || verification.eventsVerified < UInt64(events.count) {
            found.append("VerifyEvents: \(verification)")
        }
        return found
    }

    // MARK: The chain

    /// What is wrong with numbers, hashes, links, times and ids; at most ten findings.
    package var chainContradictions: [String] {
        var found: [String] = []
        var previousHash = Digest.zero.hex
        var previousTimestamp = Int64.min
        var numbers: [String: UInt64] = [:]
        for (offset, event) in events.enumerated() where found.count < 10 {
            let number = UInt64(offset) + 1
            if event.sequenceNumber != number {
                found.append("number \(event.sequenceNumber) where \(number) should be")
            }
            if event.previousHash != previousHash { found.append("link broken at \(number)") }
            if event.sealedTimestamp < previousTimestamp { found.append("time back at \(number)") }
            if let hash = Self.hash(of: event), hash == event.eventHash {
                previousHash = hash
            } else {
                found.append("hash of \(number) is not that of its entry")
                previousHash = event.eventHash
            }
            if let other = numbers.updateValue(number, forKey: event.eventID) {
                found.append("\(event.eventID) has the numbers \(other) and \(number)")
            }
            previousTimestamp = event.sealedTimestamp
        }
        return found
    }

    /// The hash of an event's entry, computed from its fields (formats.md, "Entry").
    package static func hash(of event: Ledger_SealedEvent) -> String? {
        guard let previous = Digest(hex: event.previousHash),
            let certified = try? CertifiedEvent(
                eventID: Array(event.eventID.utf8), payload: Array(event.payload),
                vepsSignature: Array(event.vepsSignature.utf8), vepsTimestamp: event.vepsTimestamp,
                metadata: event.metadata.map {
                    MetadataEntry(key: Array($0.key.utf8), value: Array($0.value.utf8))
                }, submitter: Array(event.submitter.utf8), limits: EventLimits())
        else { return nil }
        let entry = Entry(
            sequenceNumber: SequenceNumber(event.sequenceNumber), event: certified,
            sealedTimestamp: event.sealedTimestamp, previousHash: previous)
        return Digest.sha256(entry.encoded()).hex
    }

    // MARK: The callers

    /// What contradicts the answers that callers got; at most ten findings.
    package func contradictions(with log: SubmissionLog) -> [String] {
        let sealed = Dictionary(events.map { ($0.eventID, $0) }) { first, _ in first }
        let records = log.all
        var found = records.flatMap { Self.contradictions($0, sealed[$0.event.eventID]) }
        found += orderContradictions(records, sealed)
        return Array(found.prefix(10))
    }

    private static func contradictions(
        _ record: SubmissionLog.Record, _ sealed: Ledger_SealedEvent?
    ) -> [String] {
        let id = record.event.eventID
        guard let sealed else {
            if record.answers.contains(where: \.isProofOfSealing) {
                return ["\(id) was acknowledged and is not in the ledger: \(record.answers)"]
            }
            return []
        }
        var found: [String] = []
        if record.pending == 0, record.answers.allSatisfy(\.isNotSealed) {
            found.append("\(id) was certainly not sealed and is in the ledger: \(record.answers)")
        }
        for told in record.answers.compactMap(\.event)
        where told.sequenceNumber != sealed.sequenceNumber || told.eventHash != sealed.eventHash {
            found.append(
                "\(id) was answered as \(told.sequenceNumber), is \(sealed.sequenceNumber)")
        }
        if sealed.payload != record.event.payload || sealed.metadata != record.event.metadata
            || sealed.vepsTimestamp != record.event.vepsTimestamp
        {
            found.append("\(id) has another content than was submitted")
        }
        return found
    }

    /// An event that was submitted after another was acknowledged has the higher number.
    private func orderContradictions(
        _ records: [SubmissionLog.Record], _ sealed: [String: Ledger_SealedEvent]
    ) -> [String] {
        let numbered = records.compactMap { record in
            sealed[record.event.eventID].map { (record: record, number: $0.sequenceNumber) }
        }
        let acknowledged = numbered.compactMap { item in
            item.record.acknowledgedAt.map { (at: $0, number: item.number) }
        }.sorted { $0.at < $1.at }
        var next = 0
        var highest: UInt64 = 0
        var found: [String] = []
        for item in numbered.sorted(by: { $0.record.submittedAt < $1.record.submittedAt }) {
            while next < acknowledged.count, acknowledged[next].at < item.record.submittedAt {
                highest = max(highest, acknowledged[next].number)
                next += 1
            }
            if item.number < highest {
                found.append(
                    "\(item.record.event.eventID) has number \(item.number), but was submitted "
                        + "after \(highest) was acknowledged")
            }
        }
        return found
    }
}
