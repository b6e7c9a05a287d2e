package import LedgerCore
import LedgerStore
import Logging
import Synchronization

/// What reads, and those who watch the store, ask and tell.
extension Replica {
    /// How long one read of counter and head for whoever asks may take.
    private static var headTimeout: Duration { .seconds(1) }
    /// How long a read waits for this replica's index to reach a number that the head has passed already.
    private static var catchUpTimeout: Nanoseconds { .milliseconds(2_000) }

    /// The newest number that this replica's index covers; nil until the ledger was read.
    package var coveredNumber: SequenceNumber? {
        state.withLock { $0.core.state?.head.sequence }
    }

    /// The newest number that can be read here: as `coveredNumber`, or as far as a single member's copy went where this
    /// replica has started without a quorum; or the head whose ids are being loaded, where that takes long. Nil until
    /// one of them was read.
    package var readableNumber: SequenceNumber? {
        state.withLock { $0.readableNumber }
    }

    /// What this replica knows of counter and head; nil until the ledger was read.
    package var knownObservation: LedgerObservation? {
        state.withLock { $0.core.state?.observation }
    }

    /// Why nothing is sealed any more, and the revision that the key `fence` had then; nil while not fenced.
    package var fence: (reason: LedgerInconsistency, keyRevision: Revision)? {
        state.withLock { state in
            guard let fence = state.core.fence else { return nil }
            return (fence, state.fencedAt ?? .absent)
        }
    }

    /// The key `fence` was read: one that nobody has decided about stops this replica too (protocol.md 12).
    func note(_ fence: LedgerStore.StoredFence?) {
        let isKnown = state.withLock { state in
            defer { state.storedFence = fence }
            return state.storedFence == fence
        }
        if !isKnown, let reason = fence?.reason { send(.contradicted(.fenced(reason))) }
    }

    /// Whether this replica is the one that seals, as far as it knows.
    package var leads: Bool {
        state.withLock { $0.core.leads }
    }

    /// The right edge of the tree over the events up to `readableNumber`; nil until the ledger was read.
    package var tree: TileStack? {
        state.withLock { $0.readable?.tiles }
    }

    /// Where the block begins that holds a number; nil where the index does not cover it.
    package func blockStart(of number: SequenceNumber) -> SequenceNumber? {
        state.withLock { $0.readable?.index.blockStart(containing: number) }
    }

    /// The digest of an ids segment that the index covers in full; nil where it does not.
    package func digest(ofSegment number: UInt64) -> Digest? {
        state.withLock { $0.readable?.index.digest(ofSegment: number) }
    }

    /// What the index of ids holds: events, and bytes of memory.
    package var index: (events: UInt64, bytes: Int) {
        // Under the lock: a copy of the index would have the next batch copy what it touches.
        state.withLock { state in
            guard let ledger = state.core.state else { return (0, 0) }
            return (ledger.index.count, ledger.index.memoryBytes)
        }
    }

    /// The numbers of the events that may have this id; empty where there are none up to the covered number.
    /// Whether an event with this fingerprint is in a transaction of this replica whose fate is open (protocol.md 3).
    package func mayStillSeal(_ fingerprint: Fingerprint) -> Bool {
        state.withLock { $0.core.mayStillSeal(fingerprint) }
    }

    private func candidates(for fingerprint: Fingerprint) -> [SequenceNumber] {
        state.withLock { $0.readable?.index.candidates(for: fingerprint) ?? [] }
    }

    /// Another replica knows an event to be sealed which this one's linearizable read does not contain (protocol.md
    /// 20).
    package func contradicted(by reason: LedgerInconsistency) { send(.contradicted(reason)) }

    /// etcd's members were asked how they are.
    ///
    /// - Parameters:
    ///   - isFull: whether one of them says that there is no space; nil where none answered.
    ///   - refusedRelease: of a member that runs a release which can lose what it has committed.
    ///   - roomBytes: how much may be written before the reserve of the quota begins; nil where nothing new is known.
    ///   - age: how long ago the question was asked: what was heard since counts for more than the answer.
    package func membersChecked(
        isFull: Bool?, refusedRelease: String?, roomBytes: Int64? = nil, age: Nanoseconds
    ) {
        let isOutdated = state.withLock { state in
            state.refusedRelease = refusedRelease
            return state.fullAt.map { $0 >= clock.now - age } ?? false
        }
        send(
            .membersChecked(
                isFull: isOutdated ? nil : isFull, releaseIsRefused: refusedRelease != nil,
                roomBytes: roomBytes))
    }

    /// While etcd has no space nobody may submit anything that would show that it has some again: its members are asked.
    func askFullStore() async {
        guard state.withLock({ $0.core.storeIsFull }) else { return }
        _ = await environment.checkMembers()
    }

    /// Reads counter and head once, for all that wait for it, and lets the core follow.
    func readHead() async -> Result<LedgerObservation, LedgerStoreError> {
        let known = knownObservation
        let begin = clock.now
        do throws(LedgerStoreError) {
            let observed = try await store.observe(timeout: Self.headTimeout)
            note(observed.member, since: begin)
            note(observed.fence)
            if let hint = observed.hint { send(.noticedHint(hint)) }
            if let known { send(.noticed(observed.observation, knownBefore: known)) }
            return .success(observed.observation)
        } catch {
            switch error.code {
            // While the ledger is being loaded, loading ends with this.
            case .unsupportedFormat(let found): send(.contradicted(.unknownFormat(found)))
            case .unavailable, .archive: send(.headUnreadable(error.notSealedReason))
            case .inconsistent(let reason): send(.noticedMalformed(reason))
            }
            environment.logger.debug(
                "counter and head cannot be read", metadata: ["error": "\(error)"])
            return .failure(error)
        }
    }

    // MARK: Finding events

    /// The event with a number; nil where there is none up to the present head.
    func sealedEvent(_ number: SequenceNumber) async throws -> SealedEntry? {
        if (coveredNumber ?? .zero) < number {
            guard try await coverHead() >= number else { return nil }
        }
        return try await environment.blocks.event(number, startedBy: blockStart(of: number))
    }

    /// The event that was sealed under an id; nil where none is, up to a head that was read after the question.
    func sealedEvent(id: EventID) async throws -> SealedEntry? {
        if let found = try await indexedEvent(id: id) { return found }
        // The index proves absence only up to what it covers: cover the present head first.
        _ = try await coverHead()
        return try await indexedEvent(id: id)
    }

    /// The event that was sealed under an id, as far as this replica's index goes.
    package func indexedEvent(id: EventID) async throws -> SealedEntry? {
        for number in candidates(for: Fingerprint(of: id)) {
            let found = try await environment.blocks.event(
                number, startedBy: blockStart(of: number))
            if found.entry.event.eventID == id { return found }
        }
        return nil
    }

    /// The head as it is now, with an index that covers it.
    private func coverHead() async throws(LedgerStoreError) -> SequenceNumber {
        let head = try await heads.observe().head.sequence
        await waitUntilCovered(head, within: Self.catchUpTimeout)
        guard (coveredNumber ?? .zero) >= head else { throw LedgerStoreError(.unavailable) }
        return head
    }

    // MARK: Waiting for numbers

    /// Waits until the index covers a number, for so long at most.
    package func waitUntilCovered(_ number: SequenceNumber, within limit: Nanoseconds) async {
        if (coveredNumber ?? .zero) >= number { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitUntilCovered(number) }
            group.addTask { try? await self.clock.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Waits until the index covers a number, or the task is cancelled.
    package func waitUntilCovered(_ number: SequenceNumber) async {
        let key = state.withLock { $0.readers.makeKey() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { state -> CheckedContinuation<Void, Never>? in
                    let covered = state.core.state?.head.sequence ?? .zero
                    if covered >= number || Task.isCancelled { return continuation }
                    state.readers.add(key, number, continuation)
                    return nil
                }?.resume()
            }
        } onCancel: {
            state.withLock { $0.readers.remove(key) }?.resume()
        }
    }
}
