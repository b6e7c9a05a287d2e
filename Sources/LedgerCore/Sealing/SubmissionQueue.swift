/// The submissions that wait for a batch, in order of arrival.
///
/// Expired and cancelled ones leave by `removeExpired` and `remove`; those whose event_id hit the index wait
/// here, marked, until the hit was looked up (PROTOCOL.md 16).
package struct SubmissionQueue: Sendable {
    package struct Waiting: Sendable {
        package var submission: Submission
        package var isLookingUp: Bool
    }

    /// What a batch may hold.
    package struct Limits: Sendable {
        package var events: Int
        package var bytes: Int
    }

    package private(set) var waiting: [Waiting] = []
    /// Bytes of entries of all that wait.
    package private(set) var bytes = 0
    /// No submission expires before this; it may be earlier than the first that does.
    package private(set) var earliestExpiry: MonotonicInstant?
    private var waitingByStream: [StreamID: Int] = [:]
    private var unaryWaiting = 0
    /// Those among them whose index hits are looked up, or wait for that.
    private(set) var lookingUp: [SubmissionToken: Submission] = [:]
    private var watched: Set<StreamID> = []
    private var roomChanges: Set<StreamID> = []

    package init() {}

    package var count: Int { waiting.count }
    package var isEmpty: Bool { waiting.isEmpty }

    /// How many streams have events waiting.
    package var streamCount: Int { waitingByStream.count }

    /// How many events of a caller wait; all of unary calls are one caller's.
    package func ownCount(of stream: StreamID?) -> Int {
        stream.map { waitingByStream[$0] ?? 0 } ?? unaryWaiting
    }

    /// The number of events before a new one of a caller with so many of its own, were batches filled from all callers
    /// in turn.
    package func fairPosition(own: Int) -> Int {
        let callers = waitingByStream.count + (unaryWaiting > 0 ? 1 : 0)
        let isWaiting = own > 0
        return min(count, own * max(1, isWaiting ? callers : callers + 1))
    }

    package func waitingCount(of stream: StreamID) -> Int {
        waitingByStream[stream] ?? 0
    }

    package mutating func append(_ submission: Submission, isLookingUp: Bool) {
        waiting.append(Waiting(submission: submission, isLookingUp: isLookingUp))
        if isLookingUp { lookingUp[submission.token] = submission }
        added(submission)
    }

    /// Puts submissions whose transaction did not apply before all others, in their order.
    package mutating func prepend(_ submissions: [Submission]) {
        waiting.insert(
            contentsOf: submissions.map { Waiting(submission: $0, isLookingUp: false) }, at: 0)
        for submission in submissions { added(submission) }
    }

    /// Takes out everything that is not to be put into a new transaction after `now`.
    package mutating func removeExpired(at now: MonotonicInstant) -> [Submission] {
        guard let earliestExpiry, earliestExpiry <= now else { return [] }
        return removeAll { $0.commitBy <= now }
    }

    /// Takes out what satisfies the condition.
    package mutating func removeAll(where condition: (Submission) -> Bool) -> [Submission] {
        var removed: [Submission] = []
        var kept: [Waiting] = []
        earliestExpiry = nil
        for item in waiting {
            if condition(item.submission) {
                removed.append(item.submission)
                left(item.submission)
            } else {
                kept.append(item)
                noteExpiry(item.submission)
            }
        }
        waiting = kept
        return removed
    }

    package mutating func remove(_ token: SubmissionToken) -> Submission? {
        guard let place = waiting.firstIndex(where: { $0.submission.token == token }) else {
            return nil
        }
        let item = waiting.remove(at: place)
        left(item.submission)
        return item.submission
    }

    /// Looked-up submissions turned out to be other events than those found up to a number.
    package mutating func clear(_ cleared: [SubmissionToken: SequenceNumber]) {
        guard !cleared.isEmpty else { return }
        for place in waiting.indices where waiting[place].isLookingUp {
            guard let number = cleared[waiting[place].submission.token] else { continue }
            waiting[place].isLookingUp = false
            waiting[place].submission.clearedThrough = number
            lookingUp[waiting[place].submission.token] = nil
        }
    }

    // MARK: Streams that wait for room

    /// From now on `takeRoomChanges` tells when fewer of the stream's events wait.
    package mutating func watch(_ stream: StreamID) { watched.insert(stream) }

    package mutating func unwatch(_ stream: StreamID) { watched.remove(stream) }

    package mutating func takeRoomChanges() -> Set<StreamID> {
        if roomChanges.isEmpty { return [] }
        defer { roomChanges = [] }
        return roomChanges
    }

    /// Takes the next batch out of the queue.
    ///
    /// Order in the batch is order of arrival. Where not all fits, callers are served in turn: every stream
    /// gets its share before any gets more. A stream's event is passed over only together with all later ones
    /// of that stream, so that the numbers within a stream ascend (PROTOCOL.md 21).
    ///
    /// - Parameter hits: returns the index's hits for a submission that is about to be taken; one with hits
    ///   stays and is marked as being looked up.
    package mutating func takeBatch(
        _ limits: Limits, hits: (Submission) -> [SequenceNumber]
    ) -> (batch: [Submission], lookUps: [(Submission, [SequenceNumber])]) {
        var picker = BatchPicker(limits: limits, shares: shares(limits), candidates: count)
        var lookUps: [(Submission, [SequenceNumber])] = []
        for place in waiting.indices {
            guard picker.wants(waiting[place]) else { continue }
            let found = hits(waiting[place].submission)
            if found.isEmpty {
                picker.take(waiting[place].submission, at: place)
            } else {
                waiting[place].isLookingUp = true
                lookingUp[waiting[place].submission.token] = waiting[place].submission
                lookUps.append((waiting[place].submission, found))
                picker.passOver(waiting[place].submission)
            }
        }
        if picker.passedOverForShare {
            picker.lastRound()
            for place in waiting.indices where !picker.isTaken(place) {
                guard picker.wants(waiting[place]) else { continue }
                guard hits(waiting[place].submission).isEmpty else {
                    picker.passOver(waiting[place].submission)
                    continue
                }
                picker.take(waiting[place].submission, at: place)
            }
        }
        return (removeTaken(picker), lookUps)
    }

    /// The most events of one stream in the first round; nil where everything fits.
    private func shares(_ limits: Limits) -> Int? {
        guard count > limits.events || bytes > limits.bytes, !waitingByStream.isEmpty else {
            return nil
        }
        let callers = waitingByStream.count + (unaryWaiting > 0 ? 1 : 0)
        return max(1, limits.events / callers)
    }

    private mutating func removeTaken(_ picker: BatchPicker) -> [Submission] {
        var batch: [Submission] = []
        batch.reserveCapacity(picker.count)
        var kept: [Waiting] = []
        earliestExpiry = nil
        for (place, item) in waiting.enumerated() {
            if picker.isTaken(place) {
                batch.append(item.submission)
                left(item.submission)
            } else {
                kept.append(item)
                noteExpiry(item.submission)
            }
        }
        waiting = kept
        return batch
    }

    private mutating func added(_ submission: Submission) {
        bytes += submission.template.byteCount
        noteExpiry(submission)
        if let stream = submission.stream {
            waitingByStream[stream, default: 0] += 1
        } else {
            unaryWaiting += 1
        }
    }

    private mutating func left(_ submission: Submission) {
        bytes -= submission.template.byteCount
        if !lookingUp.isEmpty { lookingUp[submission.token] = nil }
        guard let stream = submission.stream else {
            unaryWaiting -= 1
            return
        }
        if watched.contains(stream) { roomChanges.insert(stream) }
        if let count = waitingByStream[stream], count > 1 {
            waitingByStream[stream] = count - 1
        } else {
            waitingByStream[stream] = nil
        }
    }

    private mutating func noteExpiry(_ submission: Submission) {
        earliestExpiry = earliestExpiry.map { min($0, submission.commitBy) } ?? submission.commitBy
    }
}

/// Chooses the members of one batch, round by round.
private struct BatchPicker {
    let limits: SubmissionQueue.Limits
    private var share: Int?
    private var taken: [Bool]
    private(set) var count = 0
    private var takenByStream: [StreamID: Int] = [:]
    private var blockedStreams: Set<StreamID> = []
    private var fingerprints: Set<Fingerprint> = []
    private var bytes = 0
    private(set) var passedOverForShare = false
    private var isFull = false

    init(limits: SubmissionQueue.Limits, shares: Int?, candidates: Int) {
        self.limits = limits
        share = shares
        taken = Array(repeating: false, count: candidates)
        fingerprints.reserveCapacity(min(candidates, limits.events))
    }

    func isTaken(_ place: Int) -> Bool { taken[place] }

    /// Whether this one may be taken now; passing it over blocks the rest of its stream where order asks so.
    mutating func wants(_ item: SubmissionQueue.Waiting) -> Bool {
        guard !isFull else { return false }
        let submission = item.submission
        if let stream = submission.stream {
            if blockedStreams.contains(stream) { return false }
            if let share, takenByStream[stream, default: 0] >= share {
                passedOverForShare = true
                return false
            }
        }
        if item.isLookingUp || fingerprints.contains(submission.fingerprint) {
            // The second of two equal ids waits until the first is sealed: then the index finds it.
            passOver(submission)
            return false
        }
        let size = submission.template.byteCount
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
        bytes += submission.template.byteCount
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
