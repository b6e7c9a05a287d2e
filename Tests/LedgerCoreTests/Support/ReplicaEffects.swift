import LedgerCore

/// What tests ask of the effects of an event.
extension [ReplicaEffect] {
    private func firstOf<Value>(_ value: (ReplicaEffect) -> Value?) -> Value? {
        lazy.compactMap(value).first
    }

    // MARK: Answers

    var answers: [SubmissionAnswer] {
        flatMap { (effect) -> [SubmissionAnswer] in
            if case .answer(let answers) = effect { answers } else { [] }
        }
    }

    var outcomes: [SubmissionOutcome] { answers.map(\.outcome) }

    var answered: [SubmissionToken] { answers.map(\.submission.token) }

    // MARK: Sealing

    var plan: BatchPlan? { firstOf { if case .propose(let plan) = $0 { plan } else { nil } } }

    /// What is in the batch that is to be sealed here.
    var batch: [SubmissionToken] { plan?.submissions.map(\.token) ?? [] }

    var transmitted: Proposal? {
        firstOf { if case .transmit(let proposal) = $0 { proposal } else { nil } }
    }

    var observation: ObservationID? {
        firstOf { if case .observe(let id) = $0 { id } else { nil } }
    }

    var readsBlocks: Bool { contains { if case .readBlocks = $0 { true } else { false } } }

    var reloads: Bool { contains { if case .reload = $0 { true } else { false } } }

    var lookUps: [LookUp] {
        compactMap { if case .lookUp(let lookUp) = $0 { lookUp } else { nil } }
    }

    var lookedUp: [Submission] { lookUps.flatMap { $0.items.map(\.submission) } }

    var isFencing: Bool {
        reports.contains { if case .fenced = $0 { true } else { false } }
    }

    // MARK: Forwarding

    var connected: LinkID? { firstOf { if case .connect(let link, _) = $0 { link } else { nil } } }

    var connectedTo: SealerHint? {
        firstOf { if case .connect(_, let hint) = $0 { hint } else { nil } }
    }

    var disconnected: [LinkID] {
        compactMap { if case .disconnect(let link) = $0 { link } else { nil } }
    }

    /// What is forwarded, message by message.
    var sent: [[SubmissionToken]] {
        compactMap { if case .send(_, let batch) = $0 { batch.map(\.token) } else { nil } }
    }

    var sentOver: LinkID? { firstOf { if case .send(let link, _) = $0 { link } else { nil } } }

    var recalled: [SubmissionToken] {
        flatMap { (effect) -> [SubmissionToken] in
            if case .recall(_, let tokens) = effect { tokens } else { [] }
        }
    }

    /// What is sought by its id.
    var searched: [SubmissionToken] {
        compactMap {
            if case .search(let submission, under: nil) = $0 { submission.token } else { nil }
        }
    }

    /// The numbers whose events are read, for they are what was submitted.
    var originalsRead: [SequenceNumber] {
        compactMap { if case .search(_, under: let number) = $0 { number } else { nil } }
    }

    // MARK: Electing

    var readsHint: Bool { contains { if case .readHint = $0 { true } else { false } } }

    var take: TakeAttempt? {
        firstOf { if case .takeHint(let attempt) = $0 { attempt } else { nil } }
    }

    var renewed: Int64? {
        firstOf { if case .keepAlive(let lease) = $0 { lease } else { nil } }
    }

    var givenBack: Int64? { firstOf { if case .giveBack(let lease) = $0 { lease } else { nil } } }

    var handedOver: (lease: Int64, hintRevision: Int64, to: SealerHint)? {
        firstOf {
            if case .handOver(let lease, let revision, let successor) = $0 {
                (lease: lease, hintRevision: revision, to: successor)
            } else {
                nil
            }
        }
    }

    // MARK: Reports

    var reports: [ReplicaReport] {
        compactMap { if case .report(let report) = $0 { report } else { nil } }
    }

    var isDrained: Bool { contains { if case .drained = $0 { true } else { false } } }
}
