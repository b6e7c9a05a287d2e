import LedgerAPI
import LedgerCore
import LedgerStore
import Logging
import Synchronization

extension Replica {
    /// How long one request of an election may take.
    private static var electionTimeout: Duration { .milliseconds(500) }

    /// Performs what waits for etcd or another replica, and reports its result.
    func perform(_ action: ReplicaAction) async {
        switch action {
        case .connect(let link, let hint): await serve(link, of: hint)
        case .readHint: await readHint()
        case .takeHint(let id, let revision, let counter):
            await takeHint(id, revision: revision, counter: counter)
        case .keepAlive(let lease): await keepAlive(lease)
        case .giveBack(let lease): await giveBack(lease)
        case .lookUp(let submission):
            await lookUp(submission)
            lookUpEnded()
        case .readOriginal(let token, let number):
            await readOriginal(token, number)
            lookUpEnded()
        case .pass, .sealHere, .answer, .reject, .withdraw, .send, .recall, .disconnect, .report,
            .reportDrained:
            break
        }
    }

    // MARK: Links

    private func serve(_ link: LinkID, of hint: SealerHint) async {
        guard let connection = state.withLock({ $0.links[link] }) else { return }
        await connection.run { self.handle($0, of: link, to: hint) }
    }

    private func handle(_ event: ForwardLink.Event, of link: LinkID, to hint: SealerHint) {
        switch event {
        case .up:
            send { state, now in state.machine.linkUp(link, at: now) }
        case .answers(let answers):
            if answers.contains(where: { $0.1 == .notSealed(.storageFull) }) {
                sealer.heardOfFullStore()
            }
            send { state, now in state.machine.answered(link, answers, at: now) }
        case .farewell:
            send { state, now in state.machine.farewell(link, at: now) }
        case .down(let why):
            logger.debug(
                "a connection to another replica ended",
                metadata: ["address": "\(hint.address)", "reason": "\(why)"])
            send { state, now in
                state.links[link] = nil
                return state.machine.linkDown(link, why: why, at: now)
            }
        }
    }

    // MARK: The hint

    private func readHint() async {
        let known = sealer.knownObservation
        let begin = ContinuousClock.now
        let result: HintResult
        do throws(LedgerStoreError) {
            let observed = try await store.observe(timeout: Self.electionTimeout)
            sealer.recordClock(observed.member, since: begin)
            // Who may have to take over had better be near the present.
            if let known { sealer.noticed(observed.observation, knownBefore: known) }
            result =
                observed.hint.map { .success($0, counter: observed.observation.revision) }
                ?? .unavailable
        } catch {
            switch error.code {
            case .inconsistent(let reason): sealer.noticedMalformed(reason)
            case .unsupportedFormat(let found): sealer.foundFormat(found)
            case .unavailable: break
            }
            result = .unavailable
        }
        send { state, now in state.machine.hintRead(result, at: now) }
    }

    private func takeHint(_ id: TakeID, revision: Int64, counter: Revision?) async {
        guard let own = state.withLock({ $0.identity }) else {
            send { state, now in state.machine.takeEnded(id, .unknown, at: now) }
            return
        }
        let known = sealer.knownObservation
        let taking = await store.takeHint(
            own, lifetime: settings.hintLifetime, hintRevision: revision, counter: counter,
            timeout: Self.electionTimeout)
        switch taking.failure {
        case .lease(let error):
            logger.warning("no lease for the sealer hint", metadata: ["error": "\(error)"])
        case .transaction(let error):
            logger.warning("the sealer hint was not taken", metadata: ["error": "\(error)"])
        case nil: break
        }
        if let known, let seen = taking.observation { sealer.noticed(seen, knownBefore: known) }
        send { state, now in state.machine.takeEnded(id, taking.result, at: now) }
        // Nothing waits for this.
        if let unused = taking.unusedLease {
            try? await store.giveBack(unused, timeout: Self.electionTimeout)
        }
    }

    private func keepAlive(_ lease: Int64) async {
        let asked = sealer.clock.now
        let result = await store.keepAlive(lease, timeout: Self.electionTimeout)
        send { state, now in
            state.machine.keptAlive(lease: lease, result, asked: asked, at: now)
        }
    }

    private func giveBack(_ lease: Int64) async {
        do {
            try await store.giveBack(lease, timeout: Self.electionTimeout)
        } catch {
            // It ends by itself within its time to live.
            logger.info("the hint's lease was not revoked", metadata: ["error": "\(error)"])
        }
        neighbourhood.peers.sayFarewell()
    }

    // MARK: Resolving

    private func lookUp(_ submission: Submission) async {
        let result: ResolveResult
        do {
            result = .found(try await reader.event(id: submission.event.eventID.utf8))
        } catch let error as LedgerRPCError where error.reason == .notFound {
            result = .absent
        } catch {
            result = .failed
        }
        send { state, now in state.machine.lookedUp(submission.token, result, at: now) }
    }

    private func readOriginal(_ token: SubmissionToken, _ number: SequenceNumber) async {
        let original = try? await reader.event(number)
        send { state, now in state.machine.originalRead(token, original, at: now) }
    }

    // MARK: Reporting

    func report(_ event: ReplicaEvent) {
        let (part, isSealer, isForwarding) = state.withLock { state in
            (state.machine.part, state.machine.isSealer, state.machine.followedAddress != nil)
        }
        sealer.setPart(hasPrecedence: isSealer, isForwarding: isForwarding)
        var metadata: Logger.Metadata = ["part": "\(part)"]
        switch event {
        case .becameSealer(let outage):
            metrics.countElection(.became, outage: outage.seconds)
            metadata["outage_ms"] = "\(outage.millisecondsRoundedUp)"
            logger.notice("this replica seals now", metadata: metadata)
        case .following(let address, let outage):
            metrics.countElection(.followed, outage: outage.seconds)
            metadata["sealer"] = "\(address)"
            metadata["outage_ms"] = "\(outage.millisecondsRoundedUp)"
            logger.notice("events are forwarded to another replica", metadata: metadata)
        case .deposed:
            metrics.countElection(.deposed)
            logger.notice("another replica has taken the hint", metadata: metadata)
        case .doubtsSealer(let why):
            metrics.countElection(.doubted)
            metadata["reason"] = "\(why)"
            logger.notice("the sealing replica is in doubt", metadata: metadata)
        case .sealsDirectly:
            metrics.countElection(.direct)
            logger.warning(
                "the sealing replica cannot be used; events are sealed beside it",
                metadata: metadata)
        case .gaveHintBack:
            metrics.countElection(.gaveBack)
            logger.notice("the hint is given back", metadata: metadata)
        }
    }
}
