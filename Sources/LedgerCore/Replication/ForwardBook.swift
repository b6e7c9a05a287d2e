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
        case readingOriginal(isConflict: Bool)
        /// Nothing new is tried for it any more: whether it is sealed is looked up from then on.
        case resolving(at: MonotonicInstant)
        /// As `resolving`, while the lookup runs.
        case lookingUp
    }

    struct Tracked: Sendable {
        let submission: Submission
        /// The newest number known when it was received (PROTOCOL.md 7).
        let headAtReceipt: SequenceNumber
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

    /// Where events can be sent.
    enum Path: Hashable, Sendable {
        case here
        case link(LinkID)
    }

    private(set) var events: [SubmissionToken: Tracked] = [:]
    /// In order of arrival, which is that of the tokens.
    private var waiting: [SubmissionToken] = []
    private(set) var waitingCount = 0
    private(set) var waitingBytes = 0
    private var streams: [StreamID: StreamWork] = [:]
    private var sentOrder: [LinkID: [SubmissionToken]] = [:]
    private var sentCounts: [LinkID: Int] = [:]
    /// Nothing is due before this; it may be earlier than the first thing that is.
    private(set) var earliestDue: MonotonicInstant?

    var isEmpty: Bool { events.isEmpty }
    var streamCount: Int { streams.count }

    func sentCount(_ link: LinkID) -> Int { sentCounts[link] ?? 0 }

    /// How many of a stream's events are not answered.
    func count(of stream: StreamID) -> Int {
        streams[stream].map { $0.underWay + $0.waiting } ?? 0
    }

    // MARK: Places

    mutating func add(_ submission: Submission, headAtReceipt: SequenceNumber) {
        events[submission.token] = Tracked(submission: submission, headAtReceipt: headAtReceipt)
        waiting.append(submission.token)
        enterWaiting(submission)
        noteDue(min(submission.commitBy, submission.answerBy))
    }

    /// Takes out what can go over a path, in order of arrival.
    ///
    /// A stream's event goes only where the stream's earlier ones are under way, and while the fate of one of them
    /// is open it waits for that answer (PROTOCOL.md 21). Those that were lost sight of together go together.
    mutating func take(
        for path: Path, at now: MonotonicInstant, where condition: (Tracked) -> Bool = { _ in true }
    ) -> [Submission] {
        guard waitingCount > 0 else {
            waiting.removeAll(keepingCapacity: true)
            return []
        }
        var taken: [Submission] = []
        var kept: [SubmissionToken] = []
        var blocked: Set<StreamID> = []
        for token in waiting {
            guard let tracked = events[token], tracked.place == .waiting else { continue }
            let stream = tracked.submission.stream
            guard condition(tracked), stream.map({ !blocked.contains($0) }) ?? true,
                mayGo(tracked, over: path)
            else {
                kept.append(token)
                if let stream { blocked.insert(stream) }
                continue
            }
            taken.append(tracked.submission)
            switch path {
            case .here: move(token, to: .here)
            case .link(let link):
                move(token, to: .sent(link))
                events[token]?.sentAt = now
            }
        }
        waiting = kept
        return taken
    }

    private func mayGo(_ tracked: Tracked, over path: Path) -> Bool {
        guard let stream = tracked.submission.stream, let work = streams[stream] else { return true }
        if work.underWay > 0, work.path != path { return false }
        return work.openAttempts == 0 || tracked.mayBeSealed
    }

    /// What was forwarded over a link is lost sight of: it may be sealed by whoever got it. It waits again.
    ///
    /// - Returns: how many.
    @discardableResult
    mutating func loseSight(of link: LinkID) -> Int {
        let lost = (sentOrder[link] ?? []).filter { events[$0]?.place == .sent(link) }
        for token in lost {
            addOpenAttempt(link, to: token)
            waitAgain(token)
        }
        sentOrder[link] = nil
        sentCounts[link] = nil
        return lost.count
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

    /// It may be tried again, before everything that came later.
    mutating func waitAgain(_ token: SubmissionToken) {
        guard events[token] != nil else { return }
        move(token, to: .waiting)
        let place = waiting.firstIndex { $0.rawValue >= token.rawValue } ?? waiting.endIndex
        if waiting.indices.contains(place), waiting[place] == token { return }
        waiting.insert(token, at: place)
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
        if let stream = tracked.submission.stream, let work = streams[stream],
            work.underWay == 0, work.waiting == 0
        {
            streams[stream] = nil
        }
        return tracked
    }

    // MARK: Time

    /// Calls `body` for everything that may be due, and finds out anew when something is.
    mutating func visitDue(
        at now: MonotonicInstant, _ body: (inout Self, Tracked) -> Void
    ) {
        guard let earliestDue, earliestDue <= now else { return }
        for tracked in events.values {
            if let due = due(tracked), due <= now { body(&self, tracked) }
        }
        self.earliestDue = events.values.compactMap(due).min()
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

    /// The oldest arrival among those that wait.
    var oldestWaiting: MonotonicInstant? {
        guard waitingCount > 0 else { return nil }
        return waiting.lazy.compactMap { token -> MonotonicInstant? in
            guard let tracked = events[token], tracked.place == .waiting else { return nil }
            return tracked.submission.receivedAt
        }.first { _ in true }
    }

    private mutating func noteDue(_ instant: MonotonicInstant) {
        earliestDue = earliestDue.map { min($0, instant) } ?? instant
    }

    // MARK: Counting

    private mutating func enterWaiting(_ submission: Submission) {
        waitingCount += 1
        waitingBytes += submission.template.byteCount
        if let stream = submission.stream { streams[stream, default: StreamWork()].waiting += 1 }
    }

    private mutating func enter(_ place: Place, _ submission: Submission) {
        switch place {
        case .waiting:
            enterWaiting(submission)
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
        let submission = tracked.submission
        if case .waiting = tracked.place {
            waitingCount -= 1
            waitingBytes -= submission.template.byteCount
            if let stream = submission.stream { streams[stream]?.waiting -= 1 }
            return
        }
        if let stream = submission.stream { streams[stream]?.underWay -= 1 }
        if case .sent(let link) = tracked.place {
            sentCounts[link, default: 1] -= 1
            trimSent(link)
        }
    }

    /// Drops what was answered from the front, so that the order stays as short as what is open.
    private mutating func trimSent(_ link: LinkID) {
        guard sentCount(link) > 0 else {
            sentOrder[link] = nil
            return
        }
        guard let count = sentOrder[link]?.count, count > 2 * sentCount(link) + 1_024 else { return }
        let events = events
        sentOrder[link]?.removeAll { events[$0]?.place != .sent(link) }
    }

    private mutating func changeOpen(_ stream: StreamID?, _ change: Int) {
        guard let stream else { return }
        streams[stream, default: StreamWork()].openAttempts += change
    }
}
