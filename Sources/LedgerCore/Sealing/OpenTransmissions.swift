/// Where each transmission of a sealing transaction went, and which members are to be avoided therefore
/// (protocol.md 15).
///
/// A member that keeps a transmission longer than it is waited for is avoided until the transfer has ended, and where it
/// ended without an answer, until the member has answered something that it was asked afterwards. For what may be
/// claimed such a transmission stays open all the same: that is the sealing machine's business.
package struct OpenTransmissions<Member: Hashable & Sendable>: Sendable {
    /// Names one transmission.
    package struct ID: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    private struct Transmission: Sendable {
        var member: Member?
        var isDoubted = false
    }

    private var open: [ID: Transmission] = [:]
    /// When a transmission to the member ended without an answer.
    private var silentSince: [Member: MonotonicInstant] = [:]
    private var next: UInt64 = 0

    package init() {}

    /// A transmission begins; every other one that has not ended by now is waited for no longer.
    package mutating func begin() -> ID {
        doubtOpen()
        next += 1
        let id = ID(number: next)
        open[id] = Transmission()
        return id
    }

    /// It goes to that member: the first one, or another where nothing could be sent to the one before.
    package mutating func sent(_ id: ID, to member: Member) {
        open[id]?.member = member
    }

    /// The fate of whatever is open is looked into: nobody waits for the members that have it.
    package mutating func doubtOpen() {
        for id in open.keys { open[id]?.isDoubted = true }
    }

    /// Its transfer has ended.
    ///
    /// - Parameter isSettled: whether the member answered it, or never got it.
    package mutating func ended(_ id: ID, isSettled: Bool, at now: MonotonicInstant) {
        guard let ended = open.removeValue(forKey: id), let member = ended.member, !isSettled
        else { return }
        silentSince[member] = now
    }

    /// A member answered what it was asked then, as only one can that works together with the others.
    package mutating func answered(_ member: Member, askedAt asked: MonotonicInstant) {
        guard let since = silentSince[member], since <= asked else { return }
        silentSince[member] = nil
    }

    /// The members that are asked only where there is no other one.
    package var avoided: Set<Member> {
        if open.isEmpty, silentSince.isEmpty { return [] }
        return Set(silentSince.keys).union(
            open.values.lazy.filter(\.isDoubted).compactMap(\.member))
    }
}
