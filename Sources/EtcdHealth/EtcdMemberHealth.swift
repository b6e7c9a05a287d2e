package import EtcdGateway
package import Foundation

/// What was last learned of one member of etcd.
package struct EtcdMemberHealth: Sendable {
    /// How the member's answer, or its absence, is judged.
    package enum Condition: Sendable, Hashable {
        /// It has not been asked yet.
        case unchecked
        /// It answers and knows a leader.
        case healthy
        /// It answers, but something is wrong with it, in words without secrets.
        case impaired(String)
        /// Its version can lose committed transactions.
        case unsafeVersion
        /// It refuses this service, or has raised an alarm.
        case troubled(EtcdTrouble)
        /// It did not answer; the class of the error.
        case unreachable(EtcdErrorCode)
    }

    /// The member's address.
    package let endpoint: EtcdEndpoint
    /// How it is.
    package var condition: Condition = .unchecked
    /// Its last answer; kept while it does not answer.
    package var status: EtcdMemberStatus?
    /// When that answer came.
    package var lastAnswer: Date?
    /// When the last check of it ended.
    package var lastCheck: Date?
    /// How long that check took.
    package var responseTime: Duration = .zero

    /// A member that has not been asked yet.
    package init(endpoint: EtcdEndpoint) {
        self.endpoint = endpoint
    }

    /// Takes in how a check ended.
    mutating func record(
        _ result: Result<EtcdMemberStatus, EtcdError>, after duration: Duration, at date: Date
    ) {
        lastCheck = date
        responseTime = duration
        switch result {
        case .success(let answer):
            status = answer
            lastAnswer = date
            condition = Self.condition(of: answer)
        case .failure(let error):
            let trouble = EtcdTrouble(error, of: .other)
            condition = trouble.map { .troubled($0) } ?? .unreachable(error.code)
        }
    }

    /// A member of a refused release that does not answer is reckoned with for so long, in seconds: it may only be slow.
    private static let patience: TimeInterval = 60

    /// Whether it answered when it was asked last.
    package var answers: Bool { lastAnswer != nil && lastAnswer == lastCheck }

    /// Whether it has raised the alarm that there is no space, which holds for all members.
    package var hasNoSpace: Bool {
        status?.errors.contains { $0.contains("NOSPACE") } ?? false
    }

    /// Its release, where that can lose what it has committed: until it answers with another one, or is gone.
    package func unsafeVersion(at now: Date) -> String? {
        guard let status, EtcdVersion(status.version)?.canLoseData == true, let lastAnswer,
            answers || now.timeIntervalSince(lastAnswer) < Self.patience
        else { return nil }
        return status.version
    }

    private static func condition(of status: EtcdMemberStatus) -> Condition {
        if EtcdVersion(status.version)?.canLoseData == true {
            return .unsafeVersion
        }
        if status.leader == 0 {
            return .impaired("the member knows no leader")
        }
        if status.isLearner {
            return .impaired("the member is a learner and does not vote")
        }
        // The member's own words may name keys or addresses, so others than alarms are only counted.
        if let trouble = status.errors.lazy.compactMap({ EtcdTrouble(alarm: $0) }).first {
            return .troubled(trouble)
        }
        if !status.errors.isEmpty {
            return .impaired("the member reports \(status.errors.count) error(s), see its alarms")
        }
        return .healthy
    }
}

extension EtcdMemberHealth.Condition: CustomStringConvertible {
    /// One short phrase for the log.
    package var description: String {
        switch self {
        case .unchecked: "unchecked"
        case .healthy: "healthy"
        case .impaired(let reason): "impaired: \(reason)"
        case .unsafeVersion: "unsafe version"
        case .troubled(let trouble): "\(trouble)"
        case .unreachable(let code): "unreachable: \(code.rawValue)"
        }
    }
}
