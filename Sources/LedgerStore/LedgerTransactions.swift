package import EtcdGateway
package import LedgerCore

/// The ledger's transactions (formats.md, "Keys in etcd") and what their answers mean. Pure: whoever performs
/// them, etcd's client or a simulation, performs the same ones.
package struct LedgerTransactions: Sendable {
    package let keys: LedgerKeys

    package init(keys: LedgerKeys) {
        self.keys = keys
    }

    // MARK: Sealing

    /// The compare-and-swap transaction that seals a batch.
    ///
    /// It compares the counter's revision, the head's bytes, and that every key which is written for ever does
    /// not exist: the revision alone would match again after a restore (protocol.md 8). It compares the format as well:
    /// once a newer version has written one that is not known here, this version seals nothing more. Its failure branch returns what a
    /// lost race has to know, so that losing costs no round trip.
    package func sealing(_ proposal: Proposal) -> EtcdTransaction {
        let base = proposal.base
        var immutable: [(key: [UInt8], value: [UInt8])] = [
            (keys.block(proposal.first), proposal.block)
        ]
        if let segment = proposal.completedSegment {
            immutable.append((keys.ids(segment.number), segment.value))
        }
        for tile in proposal.completedTiles {
            immutable.append((keys.tile(tile.id), tile.bytes))
        }
        return appending(
            immutable, head: proposal.head, proposal.headBytes,
            on: LedgerObservation(
                revision: base.revision, head: base.head, headBytes: base.headBytes,
                format: base.format))
    }

    /// Appends keys that are written for ever, and puts counter and head.
    ///
    /// - Parameter format: of a ledger that this begins.
    func appending(
        _ immutable: [(key: [UInt8], value: [UInt8])], head: Head, _ headBytes: [UInt8],
        on base: LedgerObservation, format: LedgerFormat? = nil
    ) -> EtcdTransaction {
        let isFirst = base.head.sequence == .zero
        var compares: [EtcdCompare] = [
            .modRevision(key: keys.counter, equals: base.revision.rawValue),
            isFirst
                ? .createRevision(key: keys.head, equals: 0)
                : .value(key: keys.head, equals: base.headBytes),
            isFirst
                ? .createRevision(key: keys.format, equals: 0)
                : .value(key: keys.format, equals: base.format.value),
        ]
        compares += immutable.map { .createRevision(key: $0.key, equals: 0) }
        var puts: [EtcdOperation] = [
            .put(key: keys.counter, value: head.sequence.canonicalDecimal),
            .put(key: keys.head, value: headBytes),
        ]
        puts += immutable.map { .put(key: $0.key, value: $0.value) }
        if isFirst { puts.append(.put(key: keys.format, value: (format ?? base.format).value)) }
        return EtcdTransaction(
            compares: compares, success: puts,
            failure: [keys.counter, keys.head, keys.sealer, keys.format].map {
                .range(EtcdRangeRequest(key: $0))
            })
    }

    /// What the answer to a sealing transaction means.
    package func result(of response: EtcdTransactionResponse) -> TransmissionResult {
        if response.succeeded {
            return .applied(Revision(rawValue: response.header.revision))
        }
        do throws(LedgerStoreError) {
            return .superseded(
                try observation(
                    counter: response.range(0), head: response.range(1), format: response.range(3)))
        } catch {
            if case .unsupportedFormat(let found) = error.code { return .unknownFormat(found) }
            // The comparison failed, but what the store shows makes no sense: a read will tell more.
            return .unknown
        }
    }

    /// What a failed transmission means (etcd.md, "What an answer means for a write").
    package func result(of error: EtcdError) -> TransmissionResult {
        switch error.failureClass {
        case .notSent: error.code == .busy ? .busy : .refused
        case .rejected: .refused
        case .unknown: error.code == .noSpace ? .noSpace : .unknown
        case .corrupt: .unknown
        }
    }

    // MARK: Observing

    /// So many keys of blocks are read beyond a head that may have moved.
    static let mostPassedOver = 64

    /// Counter, head, format, hint, fence and archive in one read, linearizable by default; with `beyond`, also the
    /// first block key after that number's, and the checkpoint, for verification while others seal (protocol.md 17).
    ///
    /// - Parameter serializable: every read of the transaction is: only then does a member answer it by itself.
    package func observing(
        firstBlockKeyAfter beyond: SequenceNumber? = nil, serializable: Bool = false
    ) -> EtcdTransaction {
        var reads = [
            keys.counter, keys.head, keys.format, keys.sealer, keys.fence, keys.archive,
        ].map { EtcdRangeRequest(key: $0, serializable: serializable) }
        if let beyond {
            let beyondBlocks = keys.blocks(from: beyond.next)
            reads.append(
                EtcdRangeRequest(
                    key: beyondBlocks.key, rangeEnd: beyondBlocks.rangeEnd,
                    limit: Int64(Self.mostPassedOver),
                    keysOnly: true))
            reads.append(EtcdRangeRequest(key: keys.checkpoint))
        }
        return EtcdTransaction(success: reads.map { .range($0) })
    }

    /// Decodes the answer to `observing`.
    package func observation(
        from response: EtcdTransactionResponse
    ) throws(LedgerStoreError) -> LedgerObservation {
        guard response.succeeded else {
            throw .inconsistent(.malformed("a read without comparisons that failed"))
        }
        return try observation(
            counter: response.range(0), head: response.range(1), format: response.range(2))
    }

    /// The format that a read of its key found; nil where there is none.
    ///
    /// - Throws: `unsupportedFormat`.
    static func format(
        in range: EtcdRangeResponse?
    ) throws(LedgerStoreError) -> LedgerFormat? {
        guard let range else { throw .inconsistent(.malformed("an answer without the format")) }
        guard let found = range.kvs.first?.value else { return nil }
        guard let known = LedgerFormat(value: found) else {
            throw LedgerStoreError(.unsupportedFormat(String(decoding: found, as: UTF8.self)))
        }
        return known
    }

    func observation(
        counter: EtcdRangeResponse?, head: EtcdRangeResponse?, format: EtcdRangeResponse?
    ) throws(LedgerStoreError) -> LedgerObservation {
        guard let counter, let head, let format else {
            throw .inconsistent(.malformed("an answer without counter, head and format"))
        }
        let known = try Self.format(in: format)
        do throws(LedgerInconsistency) {
            return try observation(counter: counter, head: head, format: known)
        } catch {
            throw .inconsistent(error)
        }
    }

    /// Counter, head and format of one answer, which must agree (protocol.md 9).
    private func observation(
        counter: EtcdRangeResponse, head: EtcdRangeResponse, format: LedgerFormat?
    ) throws(LedgerInconsistency) -> LedgerObservation {
        guard let counter = counter.kvs.first, let head = head.kvs.first else {
            guard counter.kvs.isEmpty, head.kvs.isEmpty else {
                throw .malformed("only one of counter and head exists")
            }
            guard format == nil else {
                throw .malformed("a ledger without events has a format key")
            }
            return .empty
        }
        guard let format else { throw .malformed("a ledger with events has no format key") }
        do throws(FormatError) {
            let number = try SequenceNumber(canonicalDecimal: counter.value)
            let decoded = try Head(decodingJSON: head.value)
            guard number == decoded.sequence, number > .zero else {
                throw FormatError(.inconsistent, "counter and head do not agree")
            }
            return LedgerObservation(
                revision: Revision(rawValue: counter.modRevision), head: decoded,
                headBytes: head.value, format: format)
        } catch {
            throw .malformed(error.message)
        }
    }
}

extension EtcdTransactionResponse {
    /// The answer to the operation at a place, where that was a range.
    package func range(_ place: Int) -> EtcdRangeResponse? {
        guard responses.indices.contains(place), case .range(let range) = responses[place] else {
            return nil
        }
        return range
    }
}
