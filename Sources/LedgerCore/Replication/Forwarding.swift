/// The links over which events are forwarded: how fast the sealer answers, and which links still owe answers although
/// nothing more is sent over them.
struct Forwarding: Sendable {
    var pace: ForwardPace
    /// Links that only wait for answers to what was sent, and since when nothing came.
    private(set) var draining: [LinkID: MonotonicInstant] = [:]

    init(_ settings: ReplicaSettings) {
        pace = ForwardPace(settings)
    }

    func isDraining(_ link: LinkID) -> Bool { draining[link] != nil }

    /// Nothing more is sent over the link; its answers are waited for as long as some come.
    mutating func drain(_ link: LinkID, at now: MonotonicInstant) { draining[link] = now }

    /// - Returns: whether it was waited for.
    @discardableResult
    mutating func endDraining(_ link: LinkID) -> Bool {
        draining.removeValue(forKey: link) != nil
    }

    /// The links that only wait for answers, oldest first.
    var drainingInOrder: [LinkID] { draining.keys.sorted { $0.rawValue < $1.rawValue } }

    /// Takes out the links that were to answer only what they had got, and do not answer.
    mutating func takeSilent(at now: MonotonicInstant) -> [LinkID] {
        guard !draining.isEmpty else { return [] }
        let silent = drainingInOrder.filter { link in
            draining[link].map { $0 + pace.patience <= now } ?? false
        }
        for link in silent { draining[link] = nil }
        return silent
    }

    var nextWake: MonotonicInstant? { draining.values.map { $0 + pace.patience }.min() }
}
