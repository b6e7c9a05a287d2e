package import LedgerCore
import Synchronization

/// Bounds how many events are taken, from one submitter and in all (the generic cell rate algorithm: a bucket is one
/// instant, and nothing has to be refilled).
package final class RateLimiter: Sendable {
    /// So many submitters are told apart; beyond that those who come new share one bucket, until others have rested.
    package static let maxSubmitters = 10_000
    /// The longest delay that is told.
    static let longestDelay = Nanoseconds.milliseconds(60_000)

    private static let lookInterval = Nanoseconds.milliseconds(1_000)

    private struct Bucket {
        /// When the bucket is empty of debts: in the past for one that is full.
        var due: MonotonicInstant
        /// Up to when those who were refused have been told to come again.
        var promised: MonotonicInstant

        init(at now: MonotonicInstant) {
            due = now
            promised = now
        }
    }

    private struct Pace {
        let interval: Nanoseconds
        /// How far ahead of its pace a bucket may be.
        let tolerance: Nanoseconds

        init(_ limit: RateLimit) {
            interval = Nanoseconds(max(1, 1_000_000_000 / Int64(limit.rate)))
            tolerance = interval * Int64(limit.burst - 1)
        }

        /// When the bucket takes another event.
        func admits(_ bucket: Bucket) -> MonotonicInstant { bucket.due - tolerance }

        func take(_ bucket: inout Bucket, at now: MonotonicInstant) {
            bucket.due = max(bucket.due, now) + interval
        }

        /// When somebody who is refused now may come again: one after another, at the pace at which they are taken.
        func promise(_ bucket: inout Bucket, at now: MonotonicInstant) -> Nanoseconds {
            let next = max(admits(bucket), now, bucket.promised + interval)
            // Who was told more than the longest delay is not waited for.
            bucket.promised = min(next, now + RateLimiter.longestDelay)
            return bucket.promised - now
        }
    }

    private struct State {
        var all: Bucket?
        var submitters: [[UInt8]: Bucket] = [:]
        var others: Bucket?
        /// When it was last looked who has rested.
        var lookedAt: MonotonicInstant?
    }

    private let all: Pace?
    private let each: Pace?
    private let state = Mutex(State())

    /// - Parameters:
    ///   - all: of all submitters together, as `LEDGER_RATE_LIMIT` says.
    ///   - each: of each submitter, as `LEDGER_RATE_LIMIT_PER_SUBMITTER` says.
    /// - Returns: nil without any limit.
    package init?(all: RateLimit?, each: RateLimit?) {
        if all == nil, each == nil { return nil }
        self.all = all.map(Pace.init)
        self.each = each.map(Pace.init)
    }

    /// Takes one event into account.
    ///
    /// - Returns: nil where it may come; else after how long it may be tried again. Nothing is taken then.
    package func take(_ submitter: [UInt8], at now: MonotonicInstant) -> Nanoseconds? {
        state.withLock { state in
            var whole = state.all ?? Bucket(at: now)
            var own = Self.bucket(of: submitter, in: &state, at: now, isKept: each != nil)
            let wholeAdmits = all.map { $0.admits(whole) <= now } ?? true
            let ownAdmits = each.map { $0.admits(own) <= now } ?? true
            var delay: Nanoseconds?
            if wholeAdmits, ownAdmits {
                all?.take(&whole, at: now)
                each?.take(&own, at: now)
            } else {
                let ofAll = wholeAdmits ? nil : all?.promise(&whole, at: now)
                let ofOne = ownAdmits ? nil : each?.promise(&own, at: now)
                delay = max(ofAll ?? .zero, ofOne ?? .zero)
            }
            state.all = whole
            if each != nil { Self.keep(own, of: submitter, in: &state) }
            return delay
        }
    }

    /// How many submitters are told apart now.
    package var submitterCount: Int { state.withLock { $0.submitters.count } }

    private static func bucket(
        of submitter: [UInt8], in state: inout State, at now: MonotonicInstant, isKept: Bool
    ) -> Bucket {
        guard isKept else { return Bucket(at: now) }
        if let known = state.submitters[submitter] { return known }
        if state.submitters.count >= maxSubmitters,
            now - (state.lookedAt ?? now - lookInterval) >= lookInterval
        {
            state.lookedAt = now
            // Who has rested is as one who never came.
            state.submitters = state.submitters.filter {
                $0.value.due > now || $0.value.promised > now
            }
        }
        guard state.submitters.count >= maxSubmitters else { return Bucket(at: now) }
        return state.others ?? Bucket(at: now)
    }

    private static func keep(_ bucket: Bucket, of submitter: [UInt8], in state: inout State) {
        if state.submitters[submitter] != nil || state.submitters.count < maxSubmitters {
            state.submitters[submitter] = bucket
        } else {
            state.others = bucket
        }
    }
}
