import LedgerAPI
import TestSupport

/// What is done to the replicas.
enum SoakChange: String, CaseIterable {
    case nothing = "nothing"
    case scaleUp = "two are added"
    case scaleDown = "some are removed"
    case roll = "all are rolled"
    case killFollower = "one is killed"
    case killSealer = "the sealer is killed"
    case pauseFollower = "one is paused"
    case pauseSealer = "the sealer is paused"

    /// Whether operators do this on purpose, so that callers should not notice.
    var isPlanned: Bool {
        switch self {
        case .nothing, .scaleUp, .scaleDown, .roll: true
        case .killFollower, .killSealer, .pauseFollower, .pauseSealer: false
        }
    }
}

/// One change, from just before it until one replica seals for all again.
struct SoakPhase {
    let change: SoakChange
    let begin: ContinuousClock.Instant
    var end: ContinuousClock.Instant
    /// When the sealer was killed or paused.
    var sealerLostAt: ContinuousClock.Instant?
    /// How long replicas had nobody to forward to, in milliseconds, by their logs.
    var handovers: [Int] = []

    init(change: SoakChange, begin: ContinuousClock.Instant) {
        self.change = change
        self.begin = begin
        end = begin
    }
}

/// What callers saw, by what was done to the replicas meanwhile.
struct SoakReport {
    struct Aim {
        let text: String
        let isMet: Bool
    }

    private static let contractMs = 50

    let phases: [SoakPhase]
    let records: [SubmissionLog.Record]

    // MARK: Findings

    /// Events that were refused with certainty each time, or never submitted before, and turned out
    /// to be duplicates. One caller submits an event, one time after another: a refusal was false,
    /// or the replicas took an attempt of their own for somebody else's.
    var falseDuplicates: [String] {
        records.compactMap { record in
            let before = record.answers.prefix { !$0.isProofOfSealing }
            guard record.answers.dropFirst(before.count).first?.isDuplicate == true,
                before.allSatisfy(\.isNotSealed)
            else { return nil }
            return "\(record.event.eventID): \(record.answers)"
        }
    }

    var aims: [Aim] {
        let planned = rows.filter(\.change.isPlanned)
        let count = planned.map(\.submissions).reduce(0, +)
        let late = planned.map(\.late).reduce(0, +)
        let share = Double(late) / Double(max(1, count))
        let worst = outages.filter { $0.change == .killSealer }.map(\.length).max()
        return [
            Aim(
                text: "planned changes: \(late) of \(count) events sealed after 50 ms, as the "
                    + "service's commit_latency_ms says; at most 0.1 %", isMet: share <= 0.001),
            Aim(
                text: "sealing again after a killed sealer: "
                    + "\(worst.map(Self.text) ?? "never seen"); within 5 s",
                isMet: worst.map { $0 < .seconds(5) } ?? false),
        ]
    }

    /// From when the sealer was lost to the first acknowledgement of an event submitted after that.
    var outages: [(change: SoakChange, length: Duration, handovers: [Int])] {
        phases.compactMap { phase in
            guard let lost = phase.sealerLostAt else { return nil }
            let next = records.lazy.filter { $0.submittedAt >= lost }.compactMap(\.acknowledgedAt)
                .min()
            return (phase.change, lost.duration(to: next ?? phase.end), phase.handovers)
        }
    }

    // MARK: Text

    var text: String {
        var lines = [
            "| change | times | events | sealed | over 50 ms | for the caller | unknown first "
                + "| not sealed | longest silence |", "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        lines += rows.map(\.text)
        lines.append("")
        for outage in outages {
            lines.append(
                "\(outage.change.rawValue): sealing again after \(Self.text(outage.length)); "
                    + "hand-overs in ms: \(outage.handovers)")
        }
        for (name, count) in unclear.sorted(by: { $0.key < $1.key }) {
            lines.append("\(name): \(count) times")
        }
        lines += aims.map { "\($0.isMet ? "met" : "MISSED"): \($0.text)" }
        return lines.joined(separator: "\n")
    }

    /// How often callers got which answer that says nothing certain, by what was done meanwhile.
    private var unclear: [String: Int] {
        var counts: [String: Int] = [:]
        for phase in phases {
            let span = phase.begin..<phase.end
            for record in records where span.contains(record.submittedAt) {
                for answer in record.answers where answer.isUnknown {
                    counts["\(phase.change.rawValue): \(answer)", default: 0] += 1
                }
            }
        }
        return counts
    }

    static func text(_ duration: Duration) -> String { "\(Int(duration / .milliseconds(1))) ms" }

    // MARK: Rows

    private struct Row {
        let change: SoakChange
        var times = 0
        var submissions = 0
        var sealed = 0
        /// By the service's own account.
        var late = 0
        /// From the first submission to the proof.
        var lateForCaller = 0
        var unknownFirst = 0
        var notSealed = 0
        var longestSilence = Duration.zero

        var text: String {
            "| \(change.rawValue) | \(times) | \(submissions) | \(sealed) | \(late) "
                + "| \(lateForCaller) | \(unknownFirst) | \(notSealed) "
                + "| \(SoakReport.text(longestSilence)) |"
        }

        mutating func count(_ record: SubmissionLog.Record) {
            submissions += 1
            guard let acknowledgedAt = record.acknowledgedAt else {
                notSealed += 1
                return
            }
            sealed += 1
            if record.answers.contains(where: \.isUnknown) { unknownFirst += 1 }
            let isLate = record.answers.contains { answer in
                guard case .sealed(let event) = answer else { return false }
                return event.commitLatencyMs > contractMs
            }
            if isLate { late += 1 }
            let limit = Duration.milliseconds(contractMs)
            if record.submittedAt.duration(to: acknowledgedAt) > limit { lateForCaller += 1 }
        }
    }

    private var rows: [Row] {
        let sorted = records.sorted { $0.submittedAt < $1.submittedAt }
        let acknowledgements = records.compactMap(\.acknowledgedAt).sorted()
        return SoakChange.allCases.map { change in
            var row = Row(change: change)
            for phase in phases where phase.change == change {
                row.times += 1
                let span = phase.begin..<phase.end
                for record in sorted where span.contains(record.submittedAt) { row.count(record) }
                let moments = [phase.begin] + acknowledgements.filter(span.contains) + [phase.end]
                for (one, next) in zip(moments, moments.dropFirst()) {
                    row.longestSilence = max(row.longestSilence, one.duration(to: next))
                }
            }
            return row
        }
    }
}
