package import EtcdGateway
package import Logging
import Synchronization

/// Hears of every request to etcd, and keeps what etcd refuses lastingly: for the log once, for health as long as it lasts.
package final class EtcdTroubles: EtcdRequestObserver, Sendable {
    package typealias Count =
        @Sendable (_ operation: String, _ result: String, _ duration: Duration) -> Void

    /// A refused write counts for so long: on an idle ledger, elections try again and again.
    private static let writeMemory = Duration.seconds(30)

    private struct State {
        /// Of the last read: there is one every second.
        var read: EtcdTrouble?
        var write: (trouble: EtcdTrouble, at: ContinuousClock.Instant)?
        var reported: EtcdTrouble.Kind?

        mutating func note(
            _ access: EtcdAccess, isOK: Bool, _ trouble: EtcdTrouble?,
            at now: ContinuousClock.Instant
        ) {
            switch access {
            case .read:
                read = trouble
                if isOK, write?.trouble.concernsEverything == true { write = nil }
            case .write:
                if let trouble { write = (trouble, now) }
                if isOK { write = nil }
            case .other:
                break
            }
        }

        func current(at now: ContinuousClock.Instant) -> EtcdTrouble? {
            if let read { return read }
            guard let write, write.at.duration(to: now) < writeMemory else { return nil }
            return write.trouble
        }
    }

    private let state = Mutex(State())
    private let count: Count
    private let hasUser: Bool
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameters:
    ///   - hasUser: whether `ETCD_USERNAME` is set.
    ///   - now: replaced in tests.
    ///   - count: called for every request that ended.
    package init(
        hasUser: Bool, logger: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        count: @escaping Count
    ) {
        self.count = count
        self.hasUser = hasUser
        self.logger = logger
        self.now = now
    }

    /// What keeps the ledger from working now, if etcd says so.
    package var current: EtcdTrouble? {
        let now = now()
        return state.withLock { $0.current(at: now) }
    }

    package func etcdRequestEnded(operation: String, result: String, duration: Duration) {
        count(operation, result, duration)
    }

    package func etcdRequestEnded(_ access: EtcdAccess, _ error: EtcdError?) {
        // A request that the service itself gave up says nothing.
        if let error, [.cancelled, .shutDown].contains(error.code) { return }
        let now = now()
        let trouble = error.flatMap { EtcdTrouble($0, of: access, hasUser: hasUser) }
        let (news, isOver) = state.withLock { state -> (EtcdTrouble?, Bool) in
            state.note(access, isOK: error == nil, trouble, at: now)
            let current = state.current(at: now)
            guard current?.kind != state.reported else { return (nil, false) }
            state.reported = current?.kind
            return (current, current == nil)
        }
        if let news { logger.error("the ledger cannot use etcd", metadata: ["reason": "\(news)"]) }
        if isOver { logger.notice("the ledger can use etcd again") }
    }
}
