package import EtcdGateway
package import LedgerCore
import Synchronization

/// What is known of etcd's members: who is behind which address, and who has a transmission that has not ended.
///
/// A member is one member, however many addresses lead to it.
package final class EtcdMembers: Sendable {
    private struct State {
        var ids: [EtcdEndpoint: UInt64] = [:]
        var transmissions = OpenTransmissions<EtcdEndpoint>()
    }

    /// A transmission of a sealing transaction, and whom it is not to go to.
    struct Transmission: Sendable {
        fileprivate let id: OpenTransmissions<EtcdEndpoint>.ID
        let avoiding: Set<EtcdEndpoint>
    }

    let endpoints: [EtcdEndpoint]
    private let state = Mutex(State())
    private let clock: @Sendable () -> MonotonicInstant

    /// - Parameters:
    ///   - endpoints: `ETCD_ENDPOINTS`.
    ///   - clock: of any origin.
    package init(
        endpoints: [EtcdEndpoint], clock: @escaping @Sendable () -> MonotonicInstant
    ) {
        self.endpoints = endpoints
        self.clock = clock
    }

    /// - Parameter endpoints: `ETCD_ENDPOINTS`.
    package convenience init(endpoints: [EtcdEndpoint]) {
        let origin = ContinuousClock.now
        self.init(endpoints: endpoints) {
            MonotonicInstant(
                nanoseconds: Int64(origin.duration(to: .now) / Duration.nanoseconds(1)))
        }
    }

    /// The time on the clock that everything here is measured by.
    var now: MonotonicInstant { clock() }

    // MARK: Who they are

    /// A member has answered at an address.
    package func note(_ memberID: UInt64, at endpoint: EtcdEndpoint) {
        state.withLock { $0.ids[endpoint] = memberID }
    }

    /// How many members there are: those that were seen behind the addresses, and one for each address behind which
    /// nobody was seen yet.
    package var count: Int {
        state.withLock { state in
            let seen = endpoints.compactMap { state.ids[$0] }
            return Set(seen).count + Set(endpoints).count
                - Set(endpoints.filter { state.ids[$0] != nil }).count
        }
    }

    // MARK: Whom to avoid (protocol.md 15)

    /// The addresses of the members with an open transmission that is waited for no longer.
    var avoided: Set<EtcdEndpoint> {
        state.withLock { Self.avoided($0, endpoints) }
    }

    /// A sealing transaction is about to be sent.
    func beginTransmission() -> Transmission {
        state.withLock { state in
            let id = state.transmissions.begin()
            return Transmission(id: id, avoiding: Self.avoided(state, endpoints))
        }
    }

    func sent(_ transmission: Transmission, to endpoint: EtcdEndpoint) {
        state.withLock { $0.transmissions.sent(transmission.id, to: endpoint) }
    }

    /// Its transfer has ended: with an answer, or with an error that may mean that the member keeps it.
    func ended(_ transmission: Transmission, _ error: EtcdError?) {
        let now = now
        state.withLock {
            $0.transmissions.ended(
                transmission.id, isSettled: error?.settlesTransmission ?? true, at: now)
        }
    }

    /// The fate of the open transaction is looked into.
    func doubtOpenTransmissions() {
        state.withLock { $0.transmissions.doubtOpen() }
    }

    /// A member answered what it was asked then, as only one can that works together with the others.
    func answered(_ header: EtcdResponseHeader, askedAt: MonotonicInstant?) {
        note(header.memberID, at: header.endpoint)
        if let askedAt { answered(header.endpoint, askedAt: askedAt) }
    }

    /// A member answered what it was asked so long ago, as only one can that works together with the others.
    package func answered(_ endpoint: EtcdEndpoint, after duration: Nanoseconds) {
        answered(endpoint, askedAt: now - duration)
    }

    func answered(_ endpoint: EtcdEndpoint, askedAt: MonotonicInstant) {
        state.withLock { state in
            for alias in Self.aliases([endpoint], state, endpoints) {
                state.transmissions.answered(alias, askedAt: askedAt)
            }
        }
    }

    private static func avoided(
        _ state: State, _ endpoints: [EtcdEndpoint]
    ) -> Set<EtcdEndpoint> {
        aliases(state.transmissions.avoided, state, endpoints)
    }

    /// All addresses of the members that these lead to.
    private static func aliases(
        _ some: Set<EtcdEndpoint>, _ state: State, _ endpoints: [EtcdEndpoint]
    ) -> Set<EtcdEndpoint> {
        if some.isEmpty { return [] }
        let ids = Set(some.compactMap { state.ids[$0] })
        return some.union(endpoints.filter { state.ids[$0].map(ids.contains) ?? false })
    }
}

extension EtcdError {
    /// Whether the member has nothing any more that it could still apply: it never got it, or it said so. A member that
    /// says that there is no space is well enough to be asked again.
    fileprivate var settlesTransmission: Bool {
        switch failureClass {
        case .notSent, .rejected: true
        case .unknown: code == .noSpace
        case .corrupt: false
        }
    }
}
