import LedgerCore
import LedgerStore
import Logging
import Synchronization

/// What elections and forwarding ask for: the key `sealer`, its lease, and connections to the replica that seals.
extension Replica {
    /// How long one request of an election may take.
    private static var electionTimeout: Duration { .milliseconds(500) }

    // MARK: Links

    func serve(_ link: LinkID, of hint: SealerHint) async -> [ReplicaEffect] {
        guard let connection = state.withLock({ $0.links[link] }) else { return [] }
        await connection.run { self.handle($0, of: link, to: hint) }
        return []
    }

    private func handle(_ event: LinkEvent, of link: LinkID, to hint: SealerHint) {
        switch event {
        case .up: send(.linkUp(link))
        case .answers(let answers):
            let isFull = answers.contains { $0.1 == .notSealed(.storageFull) }
            send(.answered(link, answers)) { state, moment in
                if isFull { state.fullAt = moment.now }
            }
        case .farewell: send(.farewell(link))
        case .down(let why):
            environment.logger.debug(
                "a connection to another replica ended",
                metadata: ["address": "\(hint.address)", "reason": "\(why)"])
            send(.linkDown(link, why: why)) { state, _ in state.links[link] = nil }
        }
    }

    // MARK: The hint

    func readHint() async -> [ReplicaEffect] {
        let known = knownObservation
        let begin = clock.now
        do throws(LedgerStoreError) {
            let observed = try await store.observe(timeout: Self.electionTimeout)
            note(observed.member, since: begin)
            note(observed.fence)
            // Who may have to take over had better be near the present.
            let noticed = known.map {
                ReplicaEvent.noticed(observed.observation, knownBefore: $0)
            }
            let counter = observed.observation.revision
            return sendCollecting(
                after: noticed,
                .hintRead(observed.hint.map { .success($0, counter: counter) } ?? .unavailable))
        } catch {
            switch error.code {
            case .inconsistent(let reason): send(.noticedMalformed(reason))
            case .unsupportedFormat(let found): send(.contradicted(.unknownFormat(found)))
            case .unavailable, .archive: break
            }
            return sendCollecting(.hintRead(.unavailable))
        }
    }

    func takeHint(_ attempt: TakeAttempt) async -> [ReplicaEffect] {
        guard let own = identity else { return sendCollecting(.takeEnded(attempt, .unknown)) }
        let known = knownObservation
        let taking = await store.takeHint(
            own, lifetime: settings.hintLifetime, hintRevision: attempt.hintRevision,
            counter: attempt.counter, timeout: Self.electionTimeout)
        switch taking.failure {
        case .lease(let error):
            environment.logger.warning(
                "no lease for the sealer hint", metadata: ["error": "\(error)"])
        case .transaction(let error):
            environment.logger.warning(
                "the sealer hint was not taken", metadata: ["error": "\(error)"])
        case nil: break
        }
        if let known, let seen = taking.observation { send(.noticed(seen, knownBefore: known)) }
        send(.takeEnded(attempt, taking.result))
        // Nothing waits for this.
        if let unused = taking.unusedLease {
            try? await store.giveBack(unused, timeout: Self.electionTimeout)
        }
        return []
    }

    func keepAlive(_ lease: Int64) async -> [ReplicaEffect] {
        let asked = clock.now
        let result = await store.keepAlive(lease, timeout: Self.electionTimeout)
        return sendCollecting(.keptAlive(lease: lease, result, asked: asked))
    }

    func handOver(
        _ lease: Int64, hintRevision: Int64, to successor: SealerHint
    ) async -> [ReplicaEffect] {
        do {
            let isDone = try await store.handOver(
                lease, hintRevision: hintRevision, to: successor, timeout: Self.electionTimeout)
            if isDone {
                environment.logger.info(
                    "the hint is handed over", metadata: ["address": "\(successor.address)"])
                environment.observer.gaveHintBack()
                return []
            }
        } catch {
            environment.logger.info(
                "the hint was not handed over", metadata: ["error": "\(error)"])
        }
        // If it was handed over nevertheless, the successor finds that its lease has ended, and takes the hint again.
        return await giveBack(lease)
    }

    func giveBack(_ lease: Int64) async -> [ReplicaEffect] {
        do {
            try await store.giveBack(lease, timeout: Self.electionTimeout)
        } catch {
            // It ends by itself within its time to live.
            environment.logger.info(
                "the hint's lease was not revoked", metadata: ["error": "\(error)"])
        }
        environment.observer.gaveHintBack()
        return []
    }
}
