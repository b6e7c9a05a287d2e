/// The submissions that a replica has accepted and not merely passed to its own sealing machine: where each is,
/// and what has become of the attempts to have it sealed.
struct ForwardBook: Sendable {
    enum Place: Hashable, Sendable {
        /// Nothing is under way for it.
        case waiting
        /// Forwarded over a link, and not answered.
        case sent(LinkID)
        /// With the own sealing machine.
        case here
        /// It is sealed; what is sealed under its number is being read.
        case readingOriginal
        /// Nothing new is tried for it any more: whether it is sealed is looked up from then on.
        case resolving(at: MonotonicInstant)
        /// As `resolving`, while the lookup runs.
        case lookingUp
    }

    struct Tracked: Sendable {
        let submission: Submission
        /// The newest number known when it was received (PROTOCOL.md 7).
        let headAtReceipt: SequenceNumber
        /// Its place in the order of arrival.
        fileprivate let order: UInt64
        fileprivate(set) var place = Place.waiting
        fileprivate(set) var sentAt = MonotonicInstant(nanoseconds: 0)
        /// Links over which it was forwarded and that were lost sight of: each may still have it sealed
        /// (PROTOCOL.md 4).
        fileprivate(set) var openAttempts: [LinkID] = []
        /// An own transaction with it may still be applied.
        fileprivate(set) var isOpenHere = false

        /// Whether a certain rejection would be a lie.
        var mayBeSealed: Bool { isOpenHere || !openAttempts.isEmpty }
    }

    /// Where a stream's events are under way; all of them in one place, so that their numbers ascend.
    private struct StreamWork {
        var path: Path?
        var underWay = 0
        var waiting = 0
        var openAttempts = 0
    }

    /// One that waits, in the order of arrival.
    private struct Waiting: Sendable {
        let order: UInt64
        let token: SubmissionToken
    }

    /// Where events can be sent.
    enum Path: Hashable, Sendable {
        case here
        case link(LinkID)
    }

    /// Who looks after what is due looks again no sooner than this: thousands may be due one after another.
    private static let visitInterval = Nanoseconds.milliseconds(1)

    private(set) var events: [SubmissionToken: Tracked] = [:]
    /// Bytes of entries of all events.
    private(set) var bytes = 0
    private(set) var waitingCount = 0
    private var nextOrder: UInt64 = 0
    /// Those that wait for somewhere to go, in order of arrival; what waits no longer is dropped now and then.
    private var ready: [Waiting] = []
    /// Those that wait for the answers to earlier ones of their stream.
    private var parked: [StreamID: [Waiting]] = [:]
    private var streams: [StreamID: StreamWork] = [:]
    private var sentOrder: [LinkID: [SubmissionToken]] = [:]
    private var sentCounts: [LinkID: Int] = [:]
    private var watched: Set<StreamID> = []
    private var roomChanges: Set<StreamID> = []
    /// Nothing is due before this; it may be earlier than the first thing that is.
    private(set) var earliestDue: MonotonicInstant?

    var isEmpty: Bool { events.isEmpty }
    var streamCount: Int { streams.count }

    func sentCount(_ link: LinkID) -> Int { sentCounts[link] ?? 0 }

    /// How many of a stream's events are not answered.
    func count(of stream: StreamID) -> Int {
        streams[stream].map { $0.underWay + $0.waiting } ?? 0
    }

    /// How many of a stream's events wait.
    func waitingCount(of stream: StreamID) -> Int { streams[stream]?.waiting ?? 0 }

    mutating func watch(_ stream: StreamID) { watched.insert(stream) }

    mutating func unwatch(_ stream: StreamID) { watched.remove(stream) }

    mutating func takeRoomChanges() -> Set<StreamID> {
        if roomChanges.isEmpty { return [] }
        defer { roomChanges = [] }
        return roomChanges
    }

    /// All events in order of arrival.
    var inOrder: [Tracked] { events.values.sorted { $0.order < $1.order } }

    // MARK: Places

    mutating func add(_ submission: Submission, headAtReceipt: SequenceNumber) {
        nextOrder += 1
        events[submission.token] = Tracked(
            submission: submission, headAtReceipt: headAtReceipt, order: nextOrder)
        bytes += submission.template.byteCount
        ready.append(Waiting(order: nextOrder, token: submission.token))
        enter(.waiting, submission)
    }

    /// Takes out what can go over a path, in order of arrival.
    ///
    /// A stream's event goes only where the stream's earlier ones are under way, and while the fate of one of them
    /// is open it waits for that answer (PROTOCOL.md 21). Those that were lost sight of together go together.
    ///
    /// - Parameter latest: what was received after this stays.
    mutating func take(
        for path: Path, at now: MonotonicInstant, receivedBy latest: MonotonicInstant? = nil
    ) -> [Submission] {
        guard !ready.isEmpty else { return [] }
        var taken: [Submission] = []
        var kept: [Waiting] = []
        var held: Set<StreamID> = []
        for item in ready {
            guard let tracked = events[item.token], tracked.place == .waiting else { continue }
            let stream = tracked.submission.stream
            if let stream, parked[stream] != nil || !mayGo(tracked, in: stream, over: path) {
                parked[stream, default: []].append(item)
                continue
            }
            let isEarly = latest.map { tracked.submission.receivedAt > $0 } ?? false
            if isEarly || stream.map({ held.contains($0) }) ?? false {
                kept.append(item)
                if let stream { held.insert(stream) }
                continue
            }
            taken.append(tracked.submission)
            switch path {
            case .here: move(item.token, to: .here)
            case .link(let link):
                move(item.token, to: .sent(link))
                events[item.token]?.sentAt = now
            }
        }
        ready = kept
        return taken
    }

    private func mayGo(_ tracked: Tracked, in stream: StreamID, over path: Path) -> Bool {
        guard let work = streams[stream] else { return true }
        if work.underWay > 0, work.path != path { return false }
        return work.openAttempts == 0 || tracked.mayBeSealed
    }

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
            if !(events[token]?.mayBeSealed ?? true) { changeOpen(tracked.submission.stream, -1) }
        }
        return tracked.place == .sent(link)
    }

    /// An attempt whose fate stays open.
    mutating func addOpenAttempt(_ link: LinkID, to token: SubmissionToken) {
        guard let tracked = events[token], !tracked.openAttempts.contains(link) else { return }
        events[token]?.openAttempts.append(link)
        if !tracked.mayBeSealed { changeOpen(tracked.submission.stream, 1) }
    }

    /// An own transaction with the event stays open.
    mutating func leaveOpenHere(_ token: SubmissionToken) {
        guard let tracked = events[token] else { return }
        events[token]?.isOpenHere = true
        if !tracked.mayBeSealed { changeOpen(tracked.submission.stream, 1) }
    }

    /// The attempt that is under way, if any, is left to itself.
    mutating func leaveOpen(_ token: SubmissionToken) {
        switch events[token]?.place {
        case .sent(let link): addOpenAttempt(link, to: token)
        case .here: leaveOpenHere(token)
        case .waiting, .readingOriginal, .resolving, .lookingUp, nil: break
        }
    }

    /// They may be tried again, before everything that came later.
    mutating func waitAgain(_ tokens: [SubmissionToken]) {
        var items: [Waiting] = []
        for token in tokens {
            guard let tracked = events[token], tracked.place != .waiting else { continue }
            if let stream = tracked.submission.stream { unpark(stream) }
            move(token, to: .waiting)
            items.append(Waiting(order: tracked.order, token: token))
        }
        merge(items.sorted { $0.order < $1.order })
    }

    mutating func move(_ token: SubmissionToken, to place: Place) {
        guard let tracked = events[token], tracked.place != place else { return }
        leave(tracked)
        events[token]?.place = place
        enter(place, tracked.submission)
    }

    /// Forgets an event that is answered.
    mutating func remove(_ token: SubmissionToken) -> Tracked? {
        guard let tracked = events[token] else { return nil }
        leave(tracked)
        if tracked.mayBeSealed { changeOpen(tracked.submission.stream, -1) }
        events[token] = nil
        bytes -= tracked.submission.template.byteCount
        if let stream = tracked.submission.stream, let work = streams[stream],
            work.underWay == 0, work.waiting == 0
        {
            streams[stream] = nil
            parked[stream] = nil
        }
        return tracked
    }

    // MARK: Time

    /// Everything that something has to be done about by now, in order of arrival. Afterwards `scheduleVisit` finds
    /// out when something is due again.
    mutating func takeDue(at now: MonotonicInstant) -> [Tracked] {
        guard let earliestDue, earliestDue <= now else { return [] }
        return events.values.filter { tracked in due(tracked).map { $0 <= now } ?? false }
            .sorted { $0.order < $1.order }
    }

    mutating func scheduleVisit(at now: MonotonicInstant) {
        guard let earliestDue, earliestDue <= now else { return }
        self.earliestDue = nil
        for tracked in events.values {
            if let due = due(tracked) { noteDue(max(due, now + Self.visitInterval)) }
        }
        if ready.count > 2 * waitingCount + 64 {
            ready.removeAll { events[$0.token]?.place != .waiting }
        }
    }

    /// When something has to be done about an event at the latest.
    private func due(_ tracked: Tracked) -> MonotonicInstant? {
        let submission = tracked.submission
        switch tracked.place {
        case .waiting: return min(submission.commitBy, submission.answerBy)
        case .sent, .readingOriginal, .lookingUp: return submission.answerBy
        case .here:
            // The sealing machine answers in time; only for another attempt it does not know.
            return tracked.mayBeSealed ? submission.answerBy : nil
        case .resolving(let at): return min(at, submission.answerBy)
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
}

// MARK: Order and counts

extension ForwardBook {
    /// What waited for earlier ones of its stream is looked at again.
    private mutating func unpark(_ stream: StreamID) {
        guard let items = parked.removeValue(forKey: stream) else { return }
        merge(items)
    }

    private mutating func merge(_ items: [Waiting]) {
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

    private mutating func enter(_ place: Place, _ submission: Submission) {
        switch place {
        case .waiting:
            waitingCount += 1
            if let stream = submission.stream {
                streams[stream, default: StreamWork()].waiting += 1
            }
            noteDue(min(submission.commitBy, submission.answerBy))
            return
        case .sent(let link):
            sentOrder[link, default: []].append(submission.token)
            sentCounts[link, default: 0] += 1
            startUnderWay(submission.stream, .link(link))
        case .here:
            startUnderWay(submission.stream, .here)
            if events[submission.token]?.mayBeSealed != true { return }
        case .readingOriginal, .lookingUp:
            startUnderWay(submission.stream, nil)
        case .resolving(let at):
            startUnderWay(submission.stream, nil)
            noteDue(at)
        }
        noteDue(submission.answerBy)
    }

    private mutating func startUnderWay(_ stream: StreamID?, _ path: Path?) {
        guard let stream else { return }
        streams[stream, default: StreamWork()].underWay += 1
        if let path { streams[stream]?.path = path }
    }

    private mutating func leave(_ tracked: Tracked) {
        let stream = tracked.submission.stream
        if let stream, watched.contains(stream) { roomChanges.insert(stream) }
        if case .waiting = tracked.place {
            waitingCount -= 1
            if let stream { streams[stream]?.waiting -= 1 }
            return
        }
        if let stream {
            streams[stream]?.underWay -= 1
            if streams[stream]?.underWay == 0 { unpark(stream) }
        }
        if case .sent(let link) = tracked.place {
            sentCounts[link, default: 1] -= 1
            trimSent(link)
        }
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
}
