package import HTTPTransport
import TextFormats

/// What a collector's answer to one request means (OTLP specification, "OTLP/HTTP Response").
package enum ExportAnswer: Sendable, Hashable {
    /// It has the spans, all but so many.
    case taken(rejected: Int)
    /// The same may be sent again, not before the time that it named.
    case later(after: Duration?)
    /// It never will take them.
    case refused

    /// The longest answer that is read, in bytes.
    package static let maxBytes = 64 << 10
    /// No collector is obeyed who wants more than this.
    package static let longestPause = Duration.seconds(120)

    package init(_ result: Result<HTTPAnswer, TransferFailure>) {
        switch result {
        case .success(let answer): self.init(answer)
        case .failure(let failure):
            switch failure.kind {
            case .timeout, .cancelled, .shutDown, .tls, .connect, .connectionLost, .noMemory:
                self = .later(after: nil)
            // To send it again would bring the same again.
            case .answerTooLong, .malformedRequest: self = .refused
            }
        }
    }

    private init(_ answer: HTTPAnswer) {
        switch answer.status {
        case 200...299: self = .taken(rejected: Self.rejected(answer.body))
        case 429, 502, 503, 504:
            let seconds = answer.value(of: "retry-after").flatMap { UInt32($0) }
            self = .later(after: seconds.map { min(.seconds($0), Self.longestPause) })
        default: self = .refused
        }
    }

    /// `partialSuccess.rejectedSpans`; none where the answer says nothing that can be read.
    private static func rejected(_ body: [UInt8]) -> Int {
        var count: Int64 = 0
        do throws(JSONFailure) {
            try JSONReader.whole(body) { reader throws(JSONFailure) in
                try reader.object { name, reader throws(JSONFailure) in
                    guard name == "partialSuccess" else { return try reader.skip() }
                    try reader.object { name, reader throws(JSONFailure) in
                        guard name == "rejectedSpans" else { return try reader.skip() }
                        let isText = try reader.kind() == .string
                        count = try isText ? reader.quotedInteger() : reader.integer()
                    }
                }
            }
        } catch {
            return 0
        }
        return Int(clamping: max(0, count))
    }
}

/// How long the same request is tried, and how often.
package struct ExportPace: Sendable {
    /// What follows from an answer.
    package enum Step: Sendable, Hashable {
        /// The request is done: so many of its spans arrived.
        case done(exported: Int, refused: Int)
        case retry(after: Duration)
        /// Nobody has taken it for long enough.
        case giveUp
    }

    /// So often one request is sent.
    package static let maxAttempts = 6
    /// The first pause, and the longest: each is twice the one before.
    package static let pauses = Duration.seconds(1)...Duration.seconds(30)

    private var failures = 0

    package init() {}

    /// Takes the answer to a request with so many spans.
    ///
    /// - Parameter random: 0..<1: replicas that share a collector must not come back together.
    package mutating func answered(
        _ answer: ExportAnswer, spans: Int, random: Double
    ) -> Step {
        switch answer {
        case .taken(let rejected):
            failures = 0
            let refused = min(rejected, spans)
            return .done(exported: spans - refused, refused: refused)
        case .refused:
            failures = 0
            return .done(exported: 0, refused: spans)
        case .later(let after):
            failures += 1
            guard failures < Self.maxAttempts else {
                failures = 0
                return .giveUp
            }
            let full = min(Self.pauses.upperBound, Self.pauses.lowerBound * (1 << (failures - 1)))
            let own = full * (0.5 + random / 2)
            return .retry(after: max(own, after ?? .zero))
        }
    }
}
