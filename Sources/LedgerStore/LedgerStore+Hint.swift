package import EtcdGateway
package import LedgerCore

/// The key `sealer` and the lease it stands under (protocol.md 18).
extension LedgerStore {
    /// How an attempt to take the hint ended.
    package struct HintTaking: Sendable {
        package let result: TakeResult
        /// Counter and head as the transaction showed them, where it was answered.
        package let observation: LedgerObservation?
        /// A lease under which nothing stands, to be given back once the result is told: it would end by itself.
        package let unusedLease: Int64?
        package let failure: Failure?

        /// What was not answered as hoped, for the log.
        package enum Failure: Sendable {
            case lease(EtcdError)
            case transaction(EtcdError)
        }

        init(
            _ result: TakeResult, observation: LedgerObservation? = nil,
            unusedLease: Int64? = nil, failure: Failure? = nil
        ) {
            self.result = result
            self.observation = observation
            self.unusedLease = unusedLease
            self.failure = failure
        }
    }

    /// Gets a lease and puts a hint under it, if the hint still has the revision that was seen, and the counter too
    /// where one is named.
    ///
    /// - Parameters:
    ///   - lifetime: of the lease; whole seconds count.
    ///   - timeout: of each of the two requests.
    package func takeHint(
        _ hint: SealerHint, lifetime: Nanoseconds, hintRevision: Int64, counter: Revision?,
        timeout: Duration
    ) async -> HintTaking {
        let lease: Int64
        do throws(EtcdError) {
            lease = try await store.grantLease(
                ttlSeconds: lifetime.count / 1_000_000_000, options: attentive(timeout)
            ).id
        } catch {
            return HintTaking(.unknown, failure: .lease(error))
        }
        do throws(EtcdError) {
            let response = try await store.transaction(
                transactions.takingHint(
                    hint, lease: lease, hintRevision: hintRevision, counter: counter),
                options: attentive(timeout))
            guard let seen = transactions.seen(in: response) else { return HintTaking(.unknown) }
            if response.succeeded {
                return HintTaking(
                    .taken(lease: lease, seen.hint), observation: seen.observation)
            }
            return HintTaking(
                .lost(seen.hint, counter: seen.observation.revision),
                observation: seen.observation, unusedLease: lease)
        } catch {
            return HintTaking(.unknown, failure: .transaction(error))
        }
    }

    /// Renews the hint's lease.
    package func keepAlive(_ lease: Int64, timeout: Duration) async -> KeepAliveResult {
        do throws(EtcdError) {
            let left = try await store.keepAliveLease(lease, options: attentive(timeout))
            return left == nil ? .expired : .renewed
        } catch {
            return .unknown
        }
    }

    /// Puts another replica's hint in place of the own one, under the same lease.
    ///
    /// - Parameter hintRevision: the own hint's; where the key has another one by now, nothing is done.
    /// - Returns: whether it was done.
    /// - Throws: where that is not known, or the lease has ended.
    package func handOver(
        _ lease: Int64, hintRevision: Int64, to successor: SealerHint, timeout: Duration
    ) async throws(EtcdError) -> Bool {
        try await store.transaction(
            transactions.handingOver(lease, hintRevision: hintRevision, to: successor),
            options: attentive(timeout)
        ).succeeded
    }

    /// Ends a lease, and the hint that stands under it.
    ///
    /// - Throws: Where it will only end by itself, within its time to live.
    package func giveBack(_ lease: Int64, timeout: Duration) async throws(EtcdError) {
        try await store.revokeLease(lease, options: attentive(timeout))
    }
}
