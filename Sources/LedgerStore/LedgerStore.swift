import EtcdGateway
package import LedgerCore

/// The ledger's keys in etcd: sealing, the sealer's hint, and reads of the head, of blocks, segments and tiles, with what
/// of these has left etcd for the archive.
///
/// While a member keeps a transmission of a sealing transaction, neither counter nor hint is read or written through
/// it, if there is another one (protocol.md 15).
package struct LedgerStore: Sendable {
    let store: any KeyValueStore
    package let transactions: LedgerTransactions
    /// What is known of the members; nil where all are asked alike.
    let members: EtcdMembers?
    /// Where more than a head is read; nil reads it where everything is read.
    private let bulk: BulkReads?
    private var priority = Places.Priority.ordinary
    /// The member whose own copy is read.
    private(set) var source: EtcdEndpoint?
    /// Where events are that have left etcd; nil where this process is told of no archive. Every variant of a store that
    /// was made from it has the same.
    package var archived: (any ArchivedPast)?
    private(set) var trust = ArchiveTrust.checked
    /// How many objects of the archive one page reads at a time.
    package var objectsAtOnce = 8
    /// What is known to have left etcd, by any variant of this store.
    let past = TrimmedPast()

    package var keys: LedgerKeys { transactions.keys }

    package init(
        store: any KeyValueStore, keys: LedgerKeys, members: EtcdMembers? = nil,
        bulk: BulkReads? = nil, archived: (any ArchivedPast)? = nil
    ) {
        self.store = store
        self.members = members
        self.bulk = bulk
        self.archived = archived
        transactions = LedgerTransactions(keys: keys)
    }

    /// The same store for who cannot seal or serve before it has read: its pages do not wait behind listings and
    /// verifications.
    package var urgent: LedgerStore {
        var store = self
        store.priority = .urgent
        return store
    }

    /// The same store for who has time: its pages come after all others.
    package var patient: LedgerStore {
        var store = self
        store.priority = .background
        return store
    }

    /// The same store for who verifies what it reads: what the archive answers is not compared with anything before.
    package var asStored: LedgerStore {
        var store = self
        store.trust = .asStored
        return store
    }

    /// The same store, read as one member has it: that may be behind, and is answered without a quorum. Nothing may be
    /// sealed on it, and it proves no absence.
    package func copy(of member: AnsweringMember) -> LedgerStore {
        copy(of: member.endpoint)
    }

    private func copy(of endpoint: EtcdEndpoint) -> LedgerStore {
        var store = self
        store.source = endpoint
        return store
    }

    // MARK: Head

    /// Counter, head and hint as one transaction showed them.
    package struct Observed: Sendable {
        package let observation: LedgerObservation
        package let hint: HintReading?
        /// The key `fence`; nil where it is absent.
        package let fence: StoredFence?
        /// The key `archive`; nil where it is absent, or holds what this version does not understand.
        package let archive: StoredArchive?
        package let member: AnsweringMember
    }

    /// Reads counter, head and hint in one transaction.
    package func observe(timeout: Duration? = nil) async throws(LedgerStoreError) -> Observed {
        let response = try await perform(
            transactions.observing(serializable: source != nil), timeout: timeout)
        return Observed(
            observation: try transactions.observation(from: response),
            hint: transactions.hint(ofRead: response), fence: Self.fence(response.range(4)),
            archive: try? noted(archiveIn: response.range(5)),
            member: AnsweringMember(response.header))
    }

    /// Counter, head and hint as that member has them which is furthest ahead; nil where none answers.
    ///
    /// - Parameter timeout: of each member, which are asked one after another.
    package func observeCopies(timeout: Duration) async -> Observed? {
        var best: Observed?
        for endpoint in members?.endpoints ?? [] where !Task.isCancelled {
            let found = try? await copy(of: endpoint).observe(timeout: timeout)
            guard let found else { continue }
            let isAhead = best.map {
                found.observation.head.sequence > $0.observation.head.sequence
            }
            if isAhead ?? true { best = found }
        }
        return best
    }

    /// What one transaction showed of the whole ledger.
    package struct WholeObservation: Sendable {
        package let observation: LedgerObservation
        /// The number in the first block's key beyond the head.
        package let firstBeyond: SequenceNumber?
        package let checkpoint: StoredCheckpoint?
    }

    /// Reads counter and head, whether a block exists beyond that head, and the checkpoint.
    ///
    /// A transaction shows all of it at one moment, but the number to look beyond must be known before it: blocks up to
    /// a head that has moved in between are passed over, and only where there are very many it is asked again.
    ///
    /// - Parameter timeout: of all that together.
    package func observeBeyond(
        timeout: Duration = .seconds(10)
    ) async throws(LedgerStoreError) -> WholeObservation {
        let end = ContinuousClock.now + timeout
        var known = try await observe(timeout: timeout).observation
        while true {
            let response = try await perform(
                transactions.observing(firstBlockKeyAfter: known.head.sequence),
                timeout: ContinuousClock.now.duration(to: end))
            let now = try transactions.observation(from: response)
            let blocks = (response.range(6)?.kvs ?? []).compactMap { keys.blockNumber($0.key) }
            let beyond = blocks.first { $0 > now.head.sequence }
            if beyond != nil || blocks.count < LedgerTransactions.mostPassedOver {
                return WholeObservation(
                    observation: now, firstBeyond: beyond,
                    checkpoint: response.range(7).flatMap { Self.storedCheckpoint($0) })
            }
            known = now
        }
    }

    // MARK: Performing

    func range(
        _ request: EtcdRangeRequest, _ kind: BulkReads.Kind = .page
    ) async throws(LedgerStoreError) -> EtcdRangeResponse {
        var request = request
        if source != nil { request.serializable = true }
        do throws(EtcdError) {
            guard let bulk else {
                return try await store.range(request, options: attentive(only: source))
            }
            return try await bulk.range(
                request, kind, priority, options: EtcdRequestOptions(only: source))
        } catch {
            throw .unavailable(error)
        }
    }

    func perform(
        _ transaction: EtcdTransaction, timeout: Duration?
    ) async throws(LedgerStoreError) -> EtcdTransactionResponse {
        let asked = members?.now
        do throws(EtcdError) {
            let response = try await store.transaction(
                transaction, options: attentive(timeout, only: source))
            // What a member has by itself does not show that it works together with the others.
            if source == nil { members?.answered(response.header, askedAt: asked) }
            return response
        } catch {
            throw .unavailable(error)
        }
    }

    /// For a request that no member is to have that keeps a transmission.
    func attentive(
        _ timeout: Duration? = nil, only member: EtcdEndpoint? = nil
    ) -> EtcdRequestOptions {
        EtcdRequestOptions(timeout: timeout, avoiding: members?.avoided ?? [], only: member)
    }
}
