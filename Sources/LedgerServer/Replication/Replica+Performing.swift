import EtcdGateway
import LedgerCore
import LedgerStore
import Logging
import Synchronization

extension Replica {
    /// How long one request of an election may take.
    private static var electionTimeout: Duration { .milliseconds(500) }

    private var options: EtcdRequestOptions {
        EtcdRequestOptions(
            deadline: ContinuousClock.now.advanced(by: Self.electionTimeout),
            avoiding: sealer.members.avoided)
    }

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
            let observed = try await store.observe(options: options)
            sealer.recordClock(observed.header, since: begin)
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
        var unused: EtcdLease?
        let result = await takeHint(revision: revision, counter: counter, unused: &unused)
        send { state, now in state.machine.takeEnded(id, result, at: now) }
        // It would end by itself; nothing waits for this.
        if let unused { try? await client.revokeLease(unused.id, options: options) }
    }

    private func takeHint(
        revision: Int64, counter: Revision?, unused: inout EtcdLease?
    ) async -> TakeResult {
        guard let own = state.withLock({ $0.identity }) else { return .unknown }
        let known = sealer.knownObservation
        let lease: EtcdLease
        do throws(EtcdError) {
            lease = try await client.grantLease(
                ttlSeconds: settings.hintLifetime.count / 1_000_000_000, options: options)
        } catch {
            logger.warning("no lease for the sealer hint", metadata: ["error": "\(error)"])
            return .unknown
        }
        do throws(EtcdError) {
            let response = try await client.transaction(
                store.transactions.takingHint(
                    own, lease: lease.id, hintRevision: revision, counter: counter),
                options: options)
            guard let seen = store.transactions.seen(in: response) else { return .unknown }
            if let known { sealer.noticed(seen.observation, knownBefore: known) }
            if response.succeeded { return .taken(lease: lease.id, seen.hint) }
            unused = lease
            return .lost(seen.hint, counter: seen.observation.revision)
        } catch {
            logger.warning("the sealer hint was not taken", metadata: ["error": "\(error)"])
            return .unknown
        }
    }

    private func keepAlive(_ lease: Int64) async {
        let asked = sealer.clock.now
        let result: KeepAliveResult
        do throws(EtcdError) {
            result =
                try await client.keepAliveLease(lease, options: options) == nil
                ? .expired : .renewed
        } catch {
            result = .unknown
        }
        send { state, now in
            state.machine.keptAlive(lease: lease, result, asked: asked, at: now)
        }
    }

    private func giveBack(_ lease: Int64) async {
        do throws(EtcdError) {
            try await client.revokeLease(lease, options: options)
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
