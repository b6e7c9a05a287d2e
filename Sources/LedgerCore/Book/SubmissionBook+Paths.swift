extension SubmissionBook {
    /// Takes out what can go over a path, in order of arrival. What goes over a link is sent from then on; what is to be
    /// sealed here has to be queued or rejected before anything else happens.
    ///
    /// A stream's event goes only where the stream's earlier ones are under way, and while the fate of one of them
    /// is open it waits for that answer (protocol.md 21). Those that were lost sight of together go together.
    ///
    /// - Parameter latest: what was received after this stays.
    mutating func take(
        for path: Path, at now: MonotonicInstant, receivedBy latest: MonotonicInstant? = nil
    ) -> [Submission] {
        guard !ready.isEmpty else { return [] }
        var taken: [Submission] = []
        var kept: [Waiting] = []
        var held: Set<StreamID> = []
        for (place, item) in ready.enumerated() {
            guard let tracked = self[item.token], tracked.place == .waiting else { continue }
            let submission = tracked.submission
            if let stream = submission.stream,
                parked[stream] != nil || !mayGo(tracked, in: stream, over: path)
            {
                parked[stream, default: []].append(item)
                continue
            }
            if let latest, submission.receivedAt > latest {
                // What came after it was received later still, but for what was long under way.
                kept += ready[place...]
                break
            }
            let isForeign = submission.origin == .replica && path != .here
            if isForeign || submission.stream.map({ held.contains($0) }) ?? false {
                kept.append(item)
                if let stream = submission.stream { held.insert(stream) }
                continue
            }
            taken.append(submission)
            if case .link(let link) = path { noteSent(item.token, over: link, at: now) }
        }
        ready = kept
        return taken
    }

    private func mayGo(_ tracked: Tracked, in stream: StreamID, over path: Path) -> Bool {
        guard let work = streams[stream] else { return true }
        if work.underWay + work.queued > 0, work.path != path { return false }
        return work.openAttempts == 0 || tracked.mayBeSealed
    }
}

// MARK: The own queue

extension SubmissionBook {
    /// What a batch may hold.
    struct BatchLimits {
        var events: Int
        var bytes: Int
    }

    /// How many events of a caller wait for a batch; all of unary calls are one caller's.
    func queuedCount(of stream: StreamID?) -> Int {
        stream.map { streams[$0]?.queued ?? 0 } ?? unaryQueued
    }

    /// The number of events before a new one of a caller with so many of its own, were batches filled from all callers
    /// in turn.
    func fairPosition(own: Int) -> Int {
        let callers = queuedStreamCount + (unaryQueued > 0 ? 1 : 0)
        return min(queuedCount, own * max(1, own > 0 ? callers : callers + 1))
    }

    /// A submission that was taken for this replica waits for its next batch.
    ///
    /// - Parameter isLookingUp: whether an index hit keeps it out of batches for now.
    mutating func enqueue(_ token: SubmissionToken, isLookingUp: Bool) {
        move(token, to: .queued)
        queue.append(token)
        if !isLookingUp { mayFillBatch = true }
    }

    /// Puts back what was in a transaction that did not apply, before all others, in its order. Who was answered
    /// meanwhile does not come back (protocol.md 6).
    mutating func requeue(_ batch: [Submission]) {
        let unanswered = batch.map(\.token).filter { self[$0]?.place == .inBatch }
        for token in unanswered { move(token, to: .queued) }
        queue.insert(contentsOf: unanswered, at: 0)
        mayFillBatch = true
    }

    /// The queued submissions that satisfy the condition, in the queue's order: they are to be ended at once.
    mutating func queued(where condition: (Tracked) -> Bool) -> [Submission] {
        var removed: [Submission] = []
        var kept: [SubmissionToken] = []
        queueExpiry = nil
        for token in queue {
            guard let tracked = self[token], tracked.place == .queued else { continue }
            if condition(tracked) {
                removed.append(tracked.submission)
            } else {
                kept.append(token)
                noteQueueExpiry(tracked.submission)
            }
        }
        queue = kept
        return removed
    }

    /// Everything queued that is not to be put into a new transaction after `now`, to be ended at once.
    mutating func expired(at now: MonotonicInstant) -> [Submission] {
        guard let queueExpiry, queueExpiry <= now else { return [] }
        return queued { $0.submission.expiry <= now }
    }

    mutating func noteQueueExpiry(_ submission: Submission) {
        queueExpiry = queueExpiry.map { min($0, submission.expiry) } ?? submission.expiry
    }

    /// Takes the next batch out of the queue.
    ///
    /// Order in the batch is order of arrival. Where not all fits, callers are served in turn: every stream
    /// gets its share before any gets more. A stream's event is passed over only together with all later ones
    /// of that stream, so that the numbers within a stream ascend (protocol.md 21).
    ///
    /// - Parameter hits: returns the index's hits for a submission that is about to be taken; one with hits
    ///   stays and is marked as being looked up.
    mutating func takeBatch(
        _ limits: BatchLimits, hits: (Tracked) -> [SequenceNumber]
    ) -> (batch: [Submission], lookUps: [(SubmissionToken, [SequenceNumber])]) {
        var picker = BatchPicker(
            limits: limits, shares: shares(limits), candidates: queue.count)
        var lookUps: [(SubmissionToken, [SequenceNumber])] = []
        for (place, token) in queue.enumerated() {
            if picker.isFull { break }
            guard let tracked = self[token], tracked.place == .queued, picker.wants(tracked)
            else { continue }
            let found = hits(tracked)
            if found.isEmpty {
                picker.take(tracked.submission, at: place)
            } else {
                note(token) { $0.isLookingUp = true }
                lookUps.append((token, found))
                picker.passOver(tracked.submission)
            }
        }
        if picker.passedOverForShare {
            picker.lastRound()
            for (place, token) in queue.enumerated() where !picker.isTaken(place) {
                if picker.isFull { break }
                guard let tracked = self[token], tracked.place == .queued,
                    picker.wants(tracked)
                else { continue }
                guard hits(tracked).isEmpty else {
                    picker.passOver(tracked.submission)
                    continue
                }
                picker.take(tracked.submission, at: place)
            }
        }
        mayFillBatch = picker.count > 0
        return (removeTaken(picker), lookUps)
    }

    /// The most events of one stream in the first round; nil where everything fits.
    private func shares(_ limits: BatchLimits) -> Int? {
        guard queuedCount > limits.events || queuedBytes > limits.bytes, queuedStreamCount > 0
        else { return nil }
        return max(1, limits.events / (queuedStreamCount + (unaryQueued > 0 ? 1 : 0)))
    }

    private mutating func removeTaken(_ picker: BatchPicker) -> [Submission] {
        var batch: [Submission] = []
        batch.reserveCapacity(picker.count)
        var kept: [SubmissionToken] = []
        for (place, token) in queue.enumerated() {
            guard let tracked = self[token], tracked.place == .queued else { continue }
            guard picker.isTaken(place) else {
                kept.append(token)
                continue
            }
            batch.append(tracked.submission)
            move(token, to: .inBatch)
        }
        queue = kept
        if kept.isEmpty { queueExpiry = nil }
        return batch
    }
}

/// Chooses the members of one batch, round by round.
private struct BatchPicker {
    let limits: SubmissionBook.BatchLimits
    private var share: Int?
    private var taken: [Bool]
    private(set) var count = 0
    private var takenByStream: [StreamID: Int] = [:]
    private var blockedStreams: Set<StreamID> = []
    private var fingerprints: Set<Fingerprint> = []
    private var bytes = 0
    private(set) var passedOverForShare = false
    private(set) var isFull = false

    init(limits: SubmissionBook.BatchLimits, shares: Int?, candidates: Int) {
        self.limits = limits
        share = shares
        taken = Array(repeating: false, count: candidates)
        fingerprints.reserveCapacity(min(candidates, limits.events))
    }

    func isTaken(_ place: Int) -> Bool { taken[place] }

    /// Whether this one may be taken now; passing it over blocks the rest of its stream where order asks so.
    mutating func wants(_ tracked: SubmissionBook.Tracked) -> Bool {
        guard !isFull else { return false }
        let submission = tracked.submission
        if let stream = submission.stream {
            if blockedStreams.contains(stream) { return false }
            if let share, takenByStream[stream, default: 0] >= share {
                passedOverForShare = true
                return false
            }
        }
        if tracked.isLookingUp || fingerprints.contains(submission.fingerprint) {
            // The second of two equal ids waits until the first is sealed: then the index finds it.
            passOver(submission)
            return false
        }
        let size = submission.byteCount
        if count >= limits.events || (bytes + size > limits.bytes && count > 0) {
            isFull = true
            return false
        }
        return true
    }

    mutating func take(_ submission: Submission, at place: Int) {
        taken[place] = true
        count += 1
        fingerprints.insert(submission.fingerprint)
        bytes += submission.byteCount
        if let stream = submission.stream { takenByStream[stream, default: 0] += 1 }
    }

    mutating func passOver(_ submission: Submission) {
        if let stream = submission.stream { blockedStreams.insert(stream) }
    }

    /// What the streams' shares left free goes to whoever comes first.
    mutating func lastRound() {
        share = nil
    }
}
