package import EtcdGateway
package import Foundation

/// What etcd's members have said when all of them were asked, as far as it decides whether events can be sealed.
package struct EtcdRound: Sendable {
    /// When they were asked.
    package var began: ContinuousClock.Instant
    /// Whether one of them has raised the alarm that there is no space; nil where none answered.
    package var hasNoSpace: Bool?
    /// The release of a member that can lose what it has committed.
    package var refusedRelease: String?
    /// What the members that answered have said of themselves.
    package var statuses: [EtcdMemberStatus]

    package init(
        began: ContinuousClock.Instant, hasNoSpace: Bool? = nil, refusedRelease: String? = nil,
        statuses: [EtcdMemberStatus] = []
    ) {
        self.began = began
        self.statuses = statuses
        self.hasNoSpace = hasNoSpace
        self.refusedRelease = refusedRelease
    }

    /// - Parameter members: as they are known after the round.
    package init(began: ContinuousClock.Instant, _ members: [EtcdMemberHealth], at now: Date) {
        let answered = members.filter(\.answers)
        self.init(
            began: began,
            hasNoSpace: answered.isEmpty ? nil : answered.contains(where: \.hasNoSpace),
            refusedRelease: members.lazy.compactMap { $0.unsafeVersion(at: now) }.first,
            statuses: answered.compactMap(\.status))
    }
}
