/// Links to the replica that seals.
extension ReplicaStateMachine {
    /// The sealer welcomed this replica.
    package mutating func linkUp(_ link: LinkID, at now: MonotonicInstant) -> [ReplicaAction] {
        switch role {
        case .following(var following) where following.link == link:
            following.isUp = true
            role = .following(following)
            return [.report(.following(following.hint.address, after: endOutage(at: now)))]
                + flush(at: now)
        case .direct(let direct) where direct.candidate == link:
            guard let hint = direct.avoided.hint else { return [] }
            role = .following(Following(link: link, hint: hint, isUp: true, since: now))
            return [.report(.following(hint.address, after: endOutage(at: now)))] + flush(at: now)
        default:
            return [.disconnect(link)]
        }
    }

    /// A link broke or was refused.
    package mutating func linkDown(
        _ link: LinkID, why: String, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        if draining.removeValue(forKey: link) != nil {
            book.loseSight(of: link)
            return flush(at: now)
        }
        switch role {
        case .following(let following) where following.link == link:
            return doubtful(following, why, at: now)
        case .direct(var direct) where direct.candidate == link:
            direct.candidate = nil
            role = .direct(direct)
            return []
        default:
            return []
        }
    }

    /// The sealer refused, or cannot be reached.
    mutating func doubtful(
        _ following: Following, _ why: String, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        book.loseSight(of: following.link)
        return [.report(.doubtsSealer(why))] + seek(refused: reading, at: now) + flush(at: now)
    }

    /// The sealer has given its hint back: what it has it still seals, and its successor is sought.
    package mutating func farewell(
        _ link: LinkID, at now: MonotonicInstant
    ) -> [ReplicaAction] {
        guard case .following(let following) = role, following.link == link else { return [] }
        reading = HintReading(hint: nil, revision: 0, readAt: reading.readAt, lease: 0)
        return seek(knownFree: true, at: now) + flush(at: now)
    }
}
