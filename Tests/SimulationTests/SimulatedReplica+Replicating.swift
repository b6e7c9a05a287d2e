import EtcdGateway
import LedgerCore
import LedgerStore

/// What the replica machine asks for: elections at the store, and links to other replicas.
extension SimulatedReplica {
    private static var electionTimeout: Int64 { 500_000_000 }

    func perform(_ actions: [ReplicaAction]) {
        var answers: [(SubmissionToken, SubmissionOutcome)] = []
        var rejected: [(Submission, NotSealedReason)] = []
        for action in actions {
            switch action {
            case .answer(let token, let outcome): answers.append((token, outcome))
            case .reject(let submission, let reason): rejected.append((submission, reason))
            case .pass(let submission):
                origins[submission.token] = .caller
                seal { $0.submit(submission, at: $1) }
            default: outbox.append(action)
            }
        }
        performOutbox()
        for (token, outcome) in answers { answer(token, outcome) }
        for (submission, reason) in rejected {
            let isOpen = machine.mayStillSeal(submission.fingerprint)
            answer(submission.token, isOpen ? .unknown : .notSealed(reason))
        }
        endIfDrained()
    }

    /// In order; what is added meanwhile comes after.
    private func performOutbox() {
        guard !isPerforming else { return }
        isPerforming = true
        while !outbox.isEmpty {
            let actions = outbox
            outbox = []
            for action in actions { performNow(action) }
        }
        isPerforming = false
    }

    private func performNow(_ action: ReplicaAction) {
        switch action {
        case .sealHere(let submission):
            origins[submission.token] = .ownReplica
            seal { $0.submit(submission, at: $1) }
        case .connect(let link, let hint):
            links[link] = world.connect(self, link, to: hint)
        case .send(let link, let submissions):
            forwards += submissions.count
            links[link]?.forward(submissions)
        case .disconnect(let link): links.removeValue(forKey: link)?.close()
        case .readHint: readHint()
        case .takeHint(let id, let revision, let counter):
            takeHint(id, revision: revision, counter: counter)
        case .keepAlive(let lease): keepAlive(lease)
        case .giveBack(let lease): giveBack(lease)
        case .lookUp(let submission): lookUpOpen(submission)
        case .readOriginal(let token, let number): readOriginal(token, number)
        case .reportDrained: isDrained.replica = true
        case .withdraw(let token): seal { machine, _ in machine.cancel(token) }
        case .recall(let link, let token): links[link]?.recall(token)
        case .report, .answer, .reject, .pass: break
        }
    }

    // MARK: The hint

    private func chooseFault(_ count: Int) -> Int {
        world.chooser.choose(count, oddsAgainst: world.settings.oddsAgainstElectionFaults)
    }

    private func readHint() {
        let known = machine.state?.observation
        let fails = chooseFault(2) == 1
        let transactions = world.ledger.transactions
        ask(timeout: Self.electionTimeout) { [self] in
            world.store.apply(transactions.observing())
        } then: { [self] response in
            var result = HintResult.unavailable
            if !fails, let response,
                let observation = try? transactions.observation(from: response)
            {
                if let known { seal { $0.noticed(observation, knownBefore: known, at: $1) } }
                if let hint = transactions.hint(ofRead: response) {
                    result = .success(hint, counter: observation.revision)
                }
            }
            send { $0.hintRead(result, at: $1) }
        }
    }

    private func takeHint(_ id: TakeID, revision: Int64, counter: Revision?) {
        let lifetime = replica.settings.hintLifetime.count
        let fails = chooseFault(2) == 1
        ask(timeout: Self.electionTimeout) { [self] in
            let lease = world.store.grantLease(until: world.now + lifetime)
            world.endLeases(after: lifetime)
            return lease
        } then: { [self] lease in
            guard let lease, !fails else {
                send { $0.takeEnded(id, .unknown, at: $1) }
                return
            }
            takeHint(id, revision: revision, counter: counter, lease: lease)
        }
    }

    private func takeHint(_ id: TakeID, revision: Int64, counter: Revision?, lease: Int64) {
        let known = machine.state?.observation
        let transactions = world.ledger.transactions
        let transaction = transactions.takingHint(
            hint, lease: lease, hintRevision: revision, counter: counter)
        // The answer is lost; or the request is on its way for long, and nobody waits for it any more.
        let fault = chooseFault(3)
        let there: ClosedRange<Int64> =
            fault == 2 ? 500_000_000...2_500_000_000 : 200_000...2_000_000
        if fault == 2 {
            later(Self.electionTimeout) { [self] in
                { [self] in send { $0.takeEnded(id, .unknown, at: $1) } }
            }
        }
        ask(timeout: Self.electionTimeout, there: there) { [self] in
            world.store.hasLease(lease) ? world.store.apply(transaction) : nil
        } then: { [self] response in
            if fault == 2 { return }
            guard fault == 0, let response, let response, let seen = transactions.seen(in: response)
            else {
                send { $0.takeEnded(id, .unknown, at: $1) }
                return
            }
            if let known { seal { $0.noticed(seen.observation, knownBefore: known, at: $1) } }
            if response.succeeded {
                send { $0.takeEnded(id, .taken(lease: lease, seen.hint), at: $1) }
                return
            }
            ask(timeout: Self.electionTimeout) { [self] in
                try await world.store.revokeLease(lease)
            } then: { [self] _ in
                let counter = seen.observation.revision
                send { $0.takeEnded(id, .lost(seen.hint, counter: counter), at: $1) }
            }
        }
    }

    private func keepAlive(_ lease: Int64) {
        let asked = now
        let lifetime = replica.settings.hintLifetime.count
        let fails = chooseFault(2) == 1
        ask(timeout: Self.electionTimeout) { [self] in
            world.endLeases(after: lifetime)
            return world.store.renewLease(lease, until: world.now + lifetime)
        } then: { [self] isRenewed in
            let result: KeepAliveResult =
                if fails { .unknown } else {
                    isRenewed.map { $0 ? .renewed : .expired } ?? .unknown
                }
            send { $0.keptAlive(lease: lease, result, asked: asked, at: $1) }
        }
    }

    private func giveBack(_ lease: Int64) {
        let fails = chooseFault(2) == 1
        ask(timeout: Self.electionTimeout) { [self] in
            if !fails { try await world.store.revokeLease(lease) }
        } then: { [self] _ in
            for peer in peers { peer.sayFarewell() }
        }
    }

    // MARK: Resolving

    private func lookUpOpen(_ submission: Submission) {
        let fails = chooseFault(2) == 1
        ask(timeout: Self.electionTimeout) { [self] in
            try world.sealedEvents()
        } then: { [self] events in
            let found = events.flatMap { $0.event(submission.event.eventID) }
            let result: ResolveResult =
                if fails || events == nil { .failed } else { found.map { .found($0) } ?? .absent }
            send { $0.lookedUp(submission.token, result, at: $1) }
        }
    }

    private func readOriginal(_ token: SubmissionToken, _ number: SequenceNumber) {
        let fails = chooseFault(2) == 1
        ask(timeout: Self.electionTimeout) { [self] in
            try world.sealedEvents()[number]
        } then: { [self] original in
            send { $0.originalRead(token, fails ? nil : original ?? nil, at: $1) }
        }
    }

    // MARK: Serving others

    /// Takes what another replica forwards, with its times on this replica's clock.
    func receive(
        _ forwarded: [ForwardedEvent], over connection: SimulatedConnection<Choice>
    ) {
        let receivedAt = now
        let isTaken = replica.takesForwards
        for one in forwarded {
            guard isTaken else {
                let isOpen = machine.mayStillSeal(Fingerprint(of: one.event.eventID))
                connection.reply(one.token, isOpen ? .unknown : .refused)
                continue
            }
            let submission = Submission(
                token: world.makeToken(), stream: one.stream.map { connection.stream($0) },
                event: one.event, template: EntryTemplate(one.event), receivedAt: receivedAt,
                commitBy: one.commitBy, answerBy: one.answerBy)
            origins[submission.token] = .peer(connection, one.token)
            connection.received[one.token] = submission.token
            seal { $0.submit(submission, at: $1) }
        }
    }
}
