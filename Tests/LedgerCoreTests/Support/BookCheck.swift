@testable import LedgerCore

/// What a book says of itself, counted again from its table of events.
extension SubmissionBook {
    /// What does not add up; empty where all does.
    func inconsistencies(at now: MonotonicInstant) -> [String] {
        countsThatDiffer() + ordersThatDiffer() + timesThatDiffer(at: now)
    }

    private func countsThatDiffer() -> [String] {
        var wrong: [String] = []
        func expect<Value: Equatable>(_ what: String, _ said: Value, _ counted: Value) {
            if said != counted { wrong.append("\(what): says \(said), counted \(counted)") }
        }
        let all = Array(events.values)
        let queued = all.filter { $0.place == .queued }
        expect("events", count, all.count)
        expect("bytes", bytes, all.reduce(0) { $0 + $1.submission.byteCount })
        expect("waiting", waitingCount, all.count { $0.place == .waiting })
        expect("queued", queuedCount, queued.count)
        expect("queued bytes", queuedBytes, queued.reduce(0) { $0 + $1.submission.byteCount })
        expect("queued unary", unaryQueued, queued.count { $0.submission.stream == nil })
        expect(
            "streams with queued ones", queuedStreamCount,
            Set(queued.compactMap(\.submission.stream)).count)
        let sent = Dictionary(grouping: all.compactMap(\.link)) { $0 }
        for (link, events) in sent { expect("sent over \(link)", sentCount(link), events.count) }
        expect("sent", sentCount, sent.values.reduce(0) { $0 + $1.count })
        let byStream = Dictionary(grouping: all.filter { $0.submission.stream != nil }) {
            $0.submission.stream
        }
        expect("streams", Set(streams.keys), Set(byStream.keys.compactMap(\.self)))
        for (stream, events) in byStream {
            guard let stream, let work = streams[stream] else { continue }
            let waiting = events.count { $0.place == .waiting }
            let queued = events.count { $0.place == .queued }
            expect("\(stream) waiting", work.waiting, waiting)
            expect("\(stream) queued", work.queued, queued)
            expect("\(stream) under way", work.underWay, events.count - waiting - queued)
            expect("\(stream) open", work.openAttempts, events.count(where: \.mayBeSealed))
            // All of a stream is under way in one place (protocol.md 21).
            let paths = Set(events.compactMap(\.path))
            if let path = paths.first { expect("\(stream) paths", paths, [work.path ?? path]) }
        }
        return wrong
    }

    private func ordersThatDiffer() -> [String] {
        var wrong: [String] = []
        let queued = queue.filter { events[$0]?.place == .queued }
        if queued.count != queuedCount || Set(queued).count != queued.count {
            wrong.append("queue: \(queued.count) entries of \(queuedCount) queued events")
        }
        let waiting = (ready + parked.values.joined()).filter {
            events[$0.token]?.place == .waiting
        }
        if waiting.count != waitingCount || Set(waiting.map(\.token)).count != waiting.count {
            wrong.append("ready and parked: \(waiting.count) entries of \(waitingCount)")
        }
        for (name, items) in [("ready", ready)] + parked.map({ ("parked in \($0)", $1) }) {
            if zip(items, items.dropFirst()).contains(where: { $0.order >= $1.order }) {
                wrong.append("\(name): not in order of arrival")
            }
        }
        for (stream, items) in parked
        where items.contains(where: { events[$0.token]?.submission.stream ?? stream != stream }) {
            wrong.append("parked in \(stream): another stream's event")
        }
        if !outbox.isEmpty { wrong.append("the outbox was not emptied") }
        return wrong
    }

    private func timesThatDiffer(at now: MonotonicInstant) -> [String] {
        var wrong: [String] = []
        // Who has just looked looks again a millisecond later.
        let visit = now + .milliseconds(1)
        if let due = events.values.map(\.due).min(),
            earliestDue.map({ $0 > max(due, visit) }) ?? true
        {
            wrong.append("due at \(due), looked for at \(String(describing: earliestDue))")
        }
        let expiries = events.values.filter { $0.place == .queued }.map(\.submission.expiry)
        if let expiry = expiries.min(), queueExpiry.map({ $0 > expiry }) ?? true {
            wrong.append("expires at \(expiry), said to at \(String(describing: queueExpiry))")
        }
        return wrong
    }
}

extension SubmissionBook.Tracked {
    fileprivate var link: LinkID? { if case .sent(let link) = place { link } else { nil } }

    /// Where something is being tried for it.
    fileprivate var path: SubmissionBook.Path? {
        switch place {
        case .queued, .inBatch: .here
        case .sent(let link): .link(link)
        case .waiting, .readingOriginal, .resolving, .lookingUp: nil
        }
    }

    /// When something has to be done about it.
    fileprivate var due: MonotonicInstant {
        switch place {
        case .waiting, .queued: submission.expiry
        case .inBatch, .sent, .readingOriginal, .lookingUp: submission.answerBy
        case .resolving(let at): min(at, submission.answerBy)
        }
    }
}
