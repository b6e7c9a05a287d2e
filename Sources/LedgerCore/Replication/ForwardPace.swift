/// What is known of how fast the sealer answers, and how much may be under way to it.
struct ForwardPace: Sendable {
    /// Smoothed time from sending to the answer, of the slowest event of a batch, and its mean deviation, in nanoseconds.
    private var mean: Double
    private var deviation: Double
    /// The longest time that an event took of those answered together; nil between two batches.
    private var slowest: Double?
    /// By so much patience is longer than usual, 1...`mostCautious`: every doubt that was wrong doubles it.
    private var caution: Double
    /// How many events may be under way before streams are left unread.
    private(set) var window = 512
    /// Since when something is expected that would show that the sealer seals.
    private(set) var silentSince: MonotonicInstant?
    private let contract: Nanoseconds
    private let shortestPatience: Nanoseconds

    static let windows = 64...16_384
    private static let mostCautious = 8.0
    /// So much caution a batch of answers leaves: a few hundred make up for a doubt that was wrong.
    private static let lasting = 0.995

    init(_ settings: ReplicaSettings) {
        contract = settings.sealing.commitDeadline
        shortestPatience = settings.shortestPatience
        mean = Double(contract.count) / 10
        deviation = 0
        caution = min(Self.mostCautious, max(1, settings.firstCaution))
    }

    /// A forward that is unanswered for so long puts the sealer in doubt: twice the usual commit time (protocol.md 18),
    /// with the usual reckoned as TCP reckons when to send again (RFC 6298: the mean and four deviations). Who doubts a
    /// sealer that is only busy adds races to its work, and then all are slower: so doubts that were wrong make patient.
    var patience: Nanoseconds {
        let usual = max(shortestPatience, Nanoseconds(rounding: 2 * (mean + 4 * deviation)))
        return Nanoseconds(rounding: Double(usual.count) * caution)
    }

    /// A connection may take this long while something waits for it.
    var connectingPatience: Nanoseconds {
        min(.milliseconds(1_000), max(.milliseconds(100), patience))
    }

    mutating func sent(at now: MonotonicInstant) {
        if silentSince == nil { silentSince = now }
    }

    /// The sealer shows that it seals.
    mutating func showsLife(isMoreUnderWay: Bool, at now: MonotonicInstant) {
        silentSince = isMoreUnderWay ? now : nil
    }

    /// It has sealed what was sent at that time.
    mutating func answered(
        sentAt: MonotonicInstant, isMoreUnderWay: Bool, at now: MonotonicInstant
    ) {
        showsLife(isMoreUnderWay: isMoreUnderWay, at: now)
        let took = Double(min(now - sentAt, contract * 4).count)
        slowest = max(slowest ?? 0, took)
        // The window is what keeps waiting below the contract, as the batch limiter does for an own queue.
        if took > 0.6 * Double(contract.count) {
            shrink(by: 0.98)
        } else if isMoreUnderWay {
            window = min(Self.windows.upperBound, window + 1)
        }
    }

    /// What came together was told. It counts once, however many events it answers: they were sealed by one transaction or
    /// two, and say no more of the next ones than one event does (RFC 7323, appendix G: many samples in a round trip would
    /// have the estimate forget all but the last one).
    mutating func batchEnded() {
        guard let took = slowest else { return }
        slowest = nil
        caution = max(1, caution * Self.lasting)
        deviation += 0.1 * (abs(took - mean) - deviation)
        mean += 0.1 * (took - mean)
    }

    /// The sealer that was in doubt seals.
    mutating func doubtedWrongly() {
        caution = min(Self.mostCautious, caution * 2)
    }

    mutating func overloaded() {
        shrink(by: 0.9)
    }

    /// Nothing is expected any more.
    mutating func forget() {
        silentSince = nil
    }

    private mutating func shrink(by factor: Double) {
        window = max(Self.windows.lowerBound, Int(Double(window) * factor))
    }
}
