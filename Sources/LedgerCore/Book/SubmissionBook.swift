/// The submissions that a replica has accepted and not answered: where each is, and what has become of the attempts to
/// have it sealed. Every one stands here once, and nowhere else.
///
/// ```
///  waiting ──sealed here──► queued ──batch──► inBatch ─┐
///     │  ▲                    ▲                 │      ├──► answered
///     │  └──lost sight of─────┼──not applied────┘      │
///     └──forwarded──► sent ───┘──────────────────────► ┤
///                      └──fate open──► resolving ⇄ lookingUp / readingOriginal
/// ```
package struct SubmissionBook: Sendable {
    /// Where a submission is.
    enum Place: Hashable, Sendable {
        /// Nothing is under way for it, and nobody is known yet who is to seal it.
        case waiting
        /// It waits for the own next batch.
        case queued
        /// It is in a batch of this replica that is being hashed, or in its open transaction.
        case inBatch
        /// Forwarded over a link, and not answered.
        case sent(LinkID)
        /// It is sealed; what is sealed under that number is being read.
        case readingOriginal(SequenceNumber)
        /// Nothing new is tried for it any more: whether it is sealed is looked up from then on.
        case resolving(at: MonotonicInstant)
        /// As `resolving`, while the lookup runs.
        case lookingUp
    }

    /// Where events can be sent.
    enum Path: Hashable, Sendable {
        case here
        case link(LinkID)
    }

    struct Tracked: Sendable {
        let submission: Submission
        /// The newest number known when it was received (protocol.md 7).
        let headAtReceipt: SequenceNumber
        /// Its place in the order of arrival.
        fileprivate(set) var order: UInt64
        fileprivate(set) var place: Place
        fileprivate(set) var sentAt = MonotonicInstant(nanoseconds: 0)
        /// Links over which it was forwarded and that were lost sight of: each may still have it sealed
        /// (protocol.md 4).
        fileprivate(set) var openAttempts: [LinkID] = []
        /// An own transaction with it may still be applied.
        fileprivate(set) var isOpenHere = false
        /// Its caller has gone while its batch was being hashed.
        var isGone = false
        /// An index hit is compared with what is sealed, or waits for that; until then it is in no batch.
        var isLookingUp = false
        /// The index was searched up to this number, and what was found there is another event.
        var clearedThrough = SequenceNumber.zero

        /// Whether a certain rejection would be a lie.
        var mayBeSealed: Bool { isOpenHere || !openAttempts.isEmpty }
    }

    /// What a stream has under way; all of it in one place, so that its numbers ascend (protocol.md 21).
    struct StreamWork: Sendable {
        var path: Path?
        var underWay = 0
        var waiting = 0
        var queued = 0
        var openAttempts = 0

        var isEmpty: Bool { underWay == 0 && waiting == 0 && queued == 0 }
    }

    /// One that waits, in the order of arrival.
    struct Waiting: Sendable {
        let order: UInt64
        let token: SubmissionToken
    }

    /// Who looks after what is due looks again no sooner than this: thousands may be due one after another.
    private static let visitInterval = Nanoseconds.milliseconds(1)
    /// Looking at so many takes long enough to do it less often.
    private static let manyEvents = 4_096

    private(set) var events: [SubmissionToken: Tracked] = [:]
    /// Bytes of entries of all events.
    private(set) var bytes = 0
    private(set) var waitingCount = 0
    private(set) var streams: [StreamID: StreamWork] = [:]
    private var nextOrder: UInt64 = 0
    /// Those that wait for somewhere to go, in order of arrival; what waits no longer is dropped now and then.
    var ready: [Waiting] = []
    /// Those that wait for the answers to earlier ones of their stream.
    var parked: [StreamID: [Waiting]] = [:]
    /// Those that wait for the own next batch, in its order; what is not queued any more is dropped now and then.
    var queue: [SubmissionToken] = []
    private(set) var queuedCount = 0
    /// Whether a batch may find more in the queue than the one before did, which found nothing.
    var mayFillBatch = false
    private(set) var queuedBytes = 0
    private(set) var queuedStreamCount = 0
    private(set) var unaryQueued = 0
    /// Nothing queued expires before this; it may be earlier than the first that does.
    var queueExpiry: MonotonicInstant?
    private var sentOrder: [LinkID: [SubmissionToken]] = [:]
    private var sentCounts: [LinkID: Int] = [:]
    private var watched: Set<StreamID> = []
    private var roomChanges: Set<StreamID> = []
    /// Nothing is due before this; it may be earlier than the first thing that is.
    private(set) var earliestDue: MonotonicInstant?
    /// What came of this event of the core; taken out at its end.
    var outbox = Outbox()

    var isEmpty: Bool { events.isEmpty }
    var count: Int { events.count }
    var streamCount: Int { streams.count }

    func sentCount(_ link: LinkID) -> Int { sentCounts[link] ?? 0 }

    /// How many events are with the replica that seals, over whatever link.
    var sentCount: Int { sentCounts.values.reduce(0, +) }

    /// All events in order of arrival.
    var inOrder: [Tracked] { events.values.sorted { $0.order < $1.order } }

    subscript(token: SubmissionToken) -> Tracked? { events[token] }

    // MARK: Coming and going

    /// Accepts a submission, which waits for somewhere to go.
    ///
    /// - Parameter isReady: whether `take` finds it; where not, it has to be queued or rejected at once.
    mutating func add(
        _ submission: Submission, headAtReceipt: SequenceNumber, isReady: Bool = true
    ) {
        nextOrder += 1
        events[submission.token] = Tracked(
            submission: submission, headAtReceipt: headAtReceipt, order: nextOrder, place: .waiting)
        bytes += submission.byteCount
        if isReady { ready.append(Waiting(order: nextOrder, token: submission.token)) }
        enter(.waiting, submission)
    }

    /// Forgets an event that is answered.
    mutating func remove(_ token: SubmissionToken) -> Tracked? {
        guard let tracked = events.removeValue(forKey: token) else { return nil }
        leave(tracked)
        if tracked.mayBeSealed { changeOpen(tracked.submission.stream, -1) }
        bytes -= tracked.submission.byteCount
        if let stream = tracked.submission.stream, streams[stream]?.isEmpty ?? false {
            streams[stream] = nil
            parked[stream] = nil
        }
        return tracked
    }

    mutating func move(_ token: SubmissionToken, to place: Place) {
        guard let tracked = events[token], tracked.place != place else { return }
        events[token]?.place = place
        leave(tracked)
        enter(place, tracked.submission)
    }

    /// Changes what is noted of an event beside its place.
    mutating func note(_ token: SubmissionToken, _ change: (inout Tracked) -> Void) {
        guard let index = events.index(forKey: token) else { return }
        change(&events.values[index])
    }

    mutating func noteSent(_ token: SubmissionToken, over link: LinkID, at now: MonotonicInstant) {
        move(token, to: .sent(link))
        note(token) { $0.sentAt = now }
    }

    // MARK: Attempts

    /// What was forwarded over a link is lost sight of: it may be sealed by whoever got it. It waits again.
    mutating func loseSight(of link: LinkID) {
        let lost = (sentOrder[link] ?? []).filter { events[$0]?.place == .sent(link) }
        for token in lost { addOpenAttempt(link, to: token) }
        waitAgain(lost)
        sentOrder[link] = nil
        sentCounts[link] = nil
    }

    /// An attempt over a link ended, and certainly without sealing the event.
    ///
    /// - Returns: whether that was the attempt under way.
    mutating func attemptEnded(_ token: SubmissionToken, over link: LinkID) -> Bool {
        guard let tracked = events[token] else { return false }
        if let place = tracked.openAttempts.firstIndex(of: link) {
            events[token]?.openAttempts.remove(at: place)
            if events[token]?.mayBeSealed == false { changeOpen(tracked.submission.stream, -1) }
        }
        return tracked.place == .sent(link)
    }

    /// An attempt whose fate stays open.
    mutating func addOpenAttempt(_ link: LinkID, to token: SubmissionToken) {
        guard let tracked = events[token], !tracked.openAttempts.contains(link) else { return }
        events[token]?.openAttempts.append(link)
        if !tracked.mayBeSealed { changeOpen(tracked.submission.stream, 1) }
    }

    /// The attempt that is under way, if any, is left to itself.
    mutating func leaveOpen(_ token: SubmissionToken) {
        guard let tracked = events[token] else { return }
        switch tracked.place {
        case .sent(let link): addOpenAttempt(link, to: token)
        case .inBatch:
            events[token]?.isOpenHere = true
            if !tracked.mayBeSealed { changeOpen(tracked.submission.stream, 1) }
        case .waiting, .queued, .readingOriginal, .resolving, .lookingUp: break
        }
    }

    /// They may be tried again, before everything that came later.
    mutating func waitAgain(_ tokens: [SubmissionToken]) {
        var items: [Waiting] = []
        for token in tokens {
            guard let tracked = events[token], tracked.place != .waiting else { continue }
            if let stream = tracked.submission.stream {
                items += parked.removeValue(forKey: stream) ?? []
            }
            move(token, to: .waiting)
            items.append(Waiting(order: tracked.order, token: token))
        }
        merge(items.sorted { $0.order < $1.order })
    }

    // MARK: Time

    /// Everything that something has to be done about by now, in order of arrival. Afterwards `scheduleVisit` finds
    /// out when something is due again.
    mutating func takeDue(at now: MonotonicInstant) -> [Tracked] {
        guard let earliestDue, earliestDue <= now else { return [] }
        return events.values.filter { Self.due($0) <= now }.sorted { $0.order < $1.order }
    }

    mutating func scheduleVisit(at now: MonotonicInstant) {
        guard let earliestDue, earliestDue <= now else { return }
        self.earliestDue = nil
        let interval = Self.visitInterval * (events.count > Self.manyEvents ? 5 : 1)
        for tracked in events.values { noteDue(max(Self.due(tracked), now + interval)) }
        if ready.count > 2 * waitingCount + 64 {
            ready.removeAll { events[$0.token]?.place != .waiting }
        }
        if queue.count > 2 * queuedCount + 64 {
            queue.removeAll { events[$0]?.place != .queued }
        }
    }

    /// When something has to be done about an event at the latest.
    private static func due(_ tracked: Tracked) -> MonotonicInstant {
        let submission = tracked.submission
        return switch tracked.place {
        case .waiting, .queued: submission.expiry
        case .inBatch, .sent, .readingOriginal, .lookingUp: submission.answerBy
        case .resolving(let at): min(at, submission.answerBy)
        }
    }

    /// When the oldest of those arrived that wait for somewhere to go.
    var oldestWaiting: MonotonicInstant? {
        guard waitingCount > 0 else { return nil }
        for item in ready {
            guard let tracked = events[item.token], tracked.place == .waiting else { continue }
            return tracked.submission.receivedAt
        }
        return nil
    }

    private mutating func noteDue(_ instant: MonotonicInstant) {
        earliestDue = earliestDue.map { min($0, instant) } ?? instant
    }

    // MARK: Streams that wait

    mutating func watch(_ stream: StreamID) { watched.insert(stream) }

    mutating func unwatch(_ stream: StreamID) { watched.remove(stream) }

    mutating func takeRoomChanges() -> Set<StreamID> {
        if roomChanges.isEmpty { return [] }
        defer { roomChanges = [] }
        return roomChanges
    }
}

// MARK: Order and counts

extension SubmissionBook {
    private mutating func enter(_ place: Place, _ submission: Submission) {
        switch place {
        case .waiting:
            waitingCount += 1
            if let stream = submission.stream {
                streams[stream, default: StreamWork()].waiting += 1
            }
        case .queued:
            queuedCount += 1
            queuedBytes += submission.byteCount
            noteQueueExpiry(submission)
            guard let stream = submission.stream else {
                unaryQueued += 1
                break
            }
            changeStream(stream) { work in
                work.queued += 1
                work.path = .here
                return work.queued == 1 ? 1 : 0
            }
        case .sent(let link):
            sentOrder[link, default: []].append(submission.token)
            sentCounts[link, default: 0] += 1
            startUnderWay(submission.stream, .link(link))
        case .inBatch:
            startUnderWay(submission.stream, .here)
        case .readingOriginal, .lookingUp:
            startUnderWay(submission.stream, nil)
        case .resolving(let at):
            startUnderWay(submission.stream, nil)
            noteDue(at)
        }
        switch place {
        case .waiting, .queued: noteDue(submission.expiry)
        case .inBatch, .sent, .readingOriginal, .lookingUp, .resolving:
            noteDue(submission.answerBy)
        }
    }

    private mutating func startUnderWay(_ stream: StreamID?, _ path: Path?) {
        guard let stream else { return }
        streams[stream, default: StreamWork()].underWay += 1
        if let path { streams[stream]?.path = path }
    }

    private mutating func changeStream(_ stream: StreamID, _ change: (inout StreamWork) -> Int) {
        queuedStreamCount += change(&streams[stream, default: StreamWork()])
    }

    private mutating func leave(_ tracked: Tracked) {
        let submission = tracked.submission
        let stream = submission.stream
        if let stream, watched.contains(stream) { roomChanges.insert(stream) }
        switch tracked.place {
        case .waiting:
            waitingCount -= 1
            if let stream { streams[stream]?.waiting -= 1 }
        case .queued:
            queuedCount -= 1
            mayFillBatch = true
            queuedBytes -= submission.byteCount
            guard let stream else {
                unaryQueued -= 1
                return
            }
            changeStream(stream) { work in
                work.queued -= 1
                return work.queued == 0 ? -1 : 0
            }
            unparkIfSettled(stream)
        case .sent(let link):
            endUnderWay(stream)
            sentCounts[link, default: 1] -= 1
            trimSent(link)
        case .inBatch, .readingOriginal, .lookingUp, .resolving:
            endUnderWay(stream)
        }
    }

    private mutating func endUnderWay(_ stream: StreamID?) {
        guard let stream else { return }
        streams[stream]?.underWay -= 1
        unparkIfSettled(stream)
    }

    private mutating func unparkIfSettled(_ stream: StreamID) {
        if let work = streams[stream], work.underWay == 0, work.queued == 0 { unpark(stream) }
    }

    /// Drops what was answered from the front, so that the order stays as short as what is open.
    private mutating func trimSent(_ link: LinkID) {
        guard sentCount(link) > 0 else {
            sentOrder[link] = nil
            sentCounts[link] = nil
            return
        }
        guard let count = sentOrder[link]?.count, count > 2 * sentCount(link) + 1_024 else {
            return
        }
        let events = events
        sentOrder[link]?.removeAll { events[$0]?.place != .sent(link) }
    }

    private mutating func changeOpen(_ stream: StreamID?, _ change: Int) {
        guard let stream else { return }
        streams[stream, default: StreamWork()].openAttempts += change
        if streams[stream]?.openAttempts == 0 { unpark(stream) }
    }

    /// What waited for earlier ones of its stream is looked at again.
    mutating func unpark(_ stream: StreamID) {
        guard !parked.isEmpty, let items = parked.removeValue(forKey: stream) else { return }
        merge(items)
    }

    mutating func merge(_ items: [Waiting]) {
        guard let first = items.first else { return }
        if ready.last.map({ $0.order < first.order }) ?? true {
            ready += items
            return
        }
        var merged: [Waiting] = []
        merged.reserveCapacity(ready.count + items.count)
        var next = 0
        for item in ready {
            while next < items.count, items[next].order < item.order {
                merged.append(items[next])
                next += 1
            }
            merged.append(item)
        }
        ready = merged + items[next...]
    }
}
