import NIOCore
import Synchronization

/// The open connections of one HTTP port, and how many there may be.
package final class HTTPConnections: Sendable {
    /// A connection without a request may be closed in favour of a new one after this.
    private static let evictableAfter = TimeAmount.milliseconds(500)

    private struct Connection {
        let channel: any Channel
        /// Since when it has had no request; nil while one is answered.
        var idleSince: NIODeadline?
    }

    private struct State {
        var connections: [ObjectIdentifier: Connection] = [:]
        var refused: Int64 = 0
    }

    private let state = Mutex(State())
    private let maxConnections: Int

    init(maxConnections: Int) {
        self.maxConnections = maxConnections
    }

    package var count: Int { state.withLock { $0.connections.count } }

    /// How many were closed because there were too many, since the start.
    package var refused: Int64 { state.withLock { $0.refused } }

    /// Takes a connection in, if there is room or another one makes some.
    ///
    /// - Returns: whether it may stay.
    func admit(_ channel: any Channel) -> Bool {
        let (isAdmitted, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
            let now = NIODeadline.now()
            var evicted: (any Channel)?
            if state.connections.count >= maxConnections {
                state.refused += 1
                guard let longest = Self.longestIdle(state.connections, at: now) else {
                    return (false, nil)
                }
                evicted = state.connections.removeValue(forKey: longest)?.channel
            }
            state.connections[ObjectIdentifier(channel)] = Connection(
                channel: channel, idleSince: now)
            return (true, evicted)
        }
        evicted?.close(promise: nil)
        return isAdmitted
    }

    private static func longestIdle(
        _ connections: [ObjectIdentifier: Connection], at now: NIODeadline
    ) -> ObjectIdentifier? {
        var longest: (key: ObjectIdentifier, since: NIODeadline)?
        for (key, connection) in connections {
            guard let since = connection.idleSince, since + evictableAfter <= now,
                longest.map({ since < $0.since }) ?? true
            else { continue }
            longest = (key, since)
        }
        return longest?.key
    }

    /// Closes what is still open after a time: answers that nobody reads do not hold up a stop.
    func closeAll(in patience: TimeAmount) {
        for connection in state.withLock({ Array($0.connections.values) }) {
            let channel = connection.channel
            channel.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
        }
    }

    func setBusy(_ channel: any Channel, _ isBusy: Bool) {
        state.withLock {
            $0.connections[ObjectIdentifier(channel)]?.idleSince = isBusy ? nil : .now()
        }
    }

    func closed(_ channel: any Channel) {
        state.withLock { $0.connections[ObjectIdentifier(channel)] = nil }
    }
}
