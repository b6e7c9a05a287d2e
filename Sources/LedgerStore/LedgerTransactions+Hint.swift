package import EtcdGateway
package import LedgerCore

/// The key `sealer`: read with every head, and taken by compare-and-swap.
extension LedgerTransactions {
    /// Puts the own hint under a lease, if the hint still has the revision that was seen, and the counter too where
    /// one is named (protocol.md 18). Either way counter, head, hint and format are in the answer: who takes over has to
    /// catch up, and who lost has to follow the winner.
    package func takingHint(
        _ hint: SealerHint, lease: Int64, hintRevision: Int64, counter: Revision?
    ) -> EtcdTransaction {
        var compares: [EtcdCompare] = [.modRevision(key: keys.sealer, equals: hintRevision)]
        if let counter {
            compares.append(.modRevision(key: keys.counter, equals: counter.rawValue))
        }
        let reads = [keys.counter, keys.head, keys.sealer, keys.format].map {
            EtcdOperation.range(EtcdRangeRequest(key: $0))
        }
        return EtcdTransaction(
            compares: compares,
            success: [.put(key: keys.sealer, value: hint.encodedJSON(), lease: lease)] + reads,
            failure: reads)
    }

    /// Puts a successor's hint under the lease of the own one, if that still has this revision: the key never lacks a
    /// hint in between.
    package func handingOver(
        _ lease: Int64, hintRevision: Int64, to successor: SealerHint
    ) -> EtcdTransaction {
        EtcdTransaction(
            compares: [.modRevision(key: keys.sealer, equals: hintRevision)],
            success: [.put(key: keys.sealer, value: successor.encodedJSON(), lease: lease)],
            failure: [])
    }

    /// Counter, head and hint as the answer to `takingHint` shows them; nil where they make no sense.
    package func seen(
        in response: EtcdTransactionResponse
    ) -> (observation: LedgerObservation, hint: HintReading)? {
        let first = response.succeeded ? 1 : 0
        guard let counter = response.range(first), let head = response.range(first + 1),
            let hint = hint(at: first + 2, of: response),
            let format = response.range(first + 3),
            let observation = try? observation(counter: counter, head: head, format: format)
        else { return nil }
        return (observation, hint)
    }

    /// The hint in the answer to a read of the head.
    package func hint(ofRead response: EtcdTransactionResponse) -> HintReading? {
        hint(at: 3, of: response)
    }

    /// The hint in the answer to a sealing transaction whose comparison failed.
    package func hint(ofLostRace response: EtcdTransactionResponse) -> HintReading? {
        response.succeeded ? nil : hint(at: 2, of: response)
    }

    private func hint(at place: Int, of response: EtcdTransactionResponse) -> HintReading? {
        guard let range = response.range(place) else { return nil }
        let found = range.kvs.first
        return HintReading(
            hint: found.flatMap { try? SealerHint(decodingJSON: $0.value) },
            revision: found?.modRevision ?? 0, readAt: response.header.revision,
            lease: found?.lease ?? 0)
    }
}
