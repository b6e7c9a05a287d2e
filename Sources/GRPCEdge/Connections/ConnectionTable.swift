package import NIOCore
import NIOHTTP2

/// All connections of one port, and what they may hold together.
///
/// The gRPC transport calls `admit` with every connection and `guardCall` with every call, after it has set up
/// their pipelines.
package final class ConnectionTable: @unchecked Sendable {
    // Everything but the statistics is touched on `loop` alone, on which all channels of the port live.

    package let configuration: EdgeConfiguration
    package let statistics = EdgeStatistics()
    private let loop: any EventLoop
    private let requestBytes: ByteBudget
    private var connections: [ObjectIdentifier: ConnectionGuard] = [:]
    private var openCalls = 0
    private var sweeping: RepeatedTask?

    /// How often it is looked whether something takes too long.
    private static let sweepInterval = TimeAmount.milliseconds(500)
    /// How long a port that waits no longer leaves its calls for their last answers to leave.
    private static let lastWords = TimeAmount.seconds(1)
    /// A connection without a call may be closed in favour of a new one after this.
    private static let evictableAfter = TimeAmount.seconds(1)

    package init(_ configuration: EdgeConfiguration, on loop: any EventLoop) {
        self.configuration = configuration
        self.loop = loop
        requestBytes = ByteBudget(limit: configuration.limits.maxRequestBytes)
    }

    var limits: EdgeLimits { configuration.limits }
    var requestTimeout: TimeAmount { TimeAmount(limits.requestTimeout) }
    var maxAge: TimeAmount? { limits.maxAge.map { TimeAmount($0) } }
    var ageGrace: TimeAmount { TimeAmount(limits.ageGrace) }

    // MARK: Connections

    /// Takes a connection in, or closes it where there are too many.
    package func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
        loop.preconditionInEventLoop()
        guard hasRoom() else {
            statistics.countRejectedConnection()
            // Not a failure of the listener's: the future succeeds, on a channel that is closed.
            channel.close(promise: nil)
            return loop.makeSucceededVoidFuture()
        }
        return loop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            let socket = SocketHandle()
            try pipeline.addHandler(socket, position: .first)
            let connection = ConnectionGuard(table: self, socket: socket)
            let http2 = try pipeline.handler(type: NIOHTTP2Handler.self)
            try pipeline.addHandler(connection, position: .after(http2))
            try pipeline.addHandler(
                FrameFilter(
                    settingsFrames: ConnectionGuard.settingsAtOnce, reset: connection.reset),
                position: .before(http2))
            connections[ObjectIdentifier(channel)] = connection
            channel.closeFuture.assumeIsolated().whenComplete { _ in self.closed(channel) }
            connectionsChanged()
        }
    }

    /// Whether one more may come; the one that has had no call for the longest time makes room for it.
    private func hasRoom() -> Bool {
        guard connections.count >= limits.maxConnections else { return true }
        let now = NIODeadline.now()
        let idle = connections.values.filter {
            $0.idleSince.map { now - $0 > Self.evictableAfter } ?? false
        }
        guard let longest = idle.min(by: { ($0.idleSince ?? now) < ($1.idleSince ?? now) }) else {
            return false
        }
        statistics.countRejectedConnection()
        longest.end()
        return connections.count < limits.maxConnections
    }

    private func closed(_ channel: any Channel) {
        connections[ObjectIdentifier(channel)] = nil
        connectionsChanged()
    }

    private func connectionsChanged() {
        statistics.set(connections: connections.count)
        if connections.isEmpty {
            sweeping?.cancel()
            sweeping = nil
        } else if sweeping == nil {
            sweeping = loop.scheduleRepeatedTask(
                initialDelay: Self.sweepInterval, delay: Self.sweepInterval
            ) { [weak self] _ in self?.sweep() }
        }
    }

    private func sweep() {
        let now = NIODeadline.now()
        for connection in connections.values { connection.sweep(at: now) }
    }

    /// The port waits no longer: direct streams end, and a moment later all connections; from any thread.
    package func endAll() {
        loop.execute {
            for connection in self.connections.values { connection.endStreams() }
        }
        loop.scheduleTask(in: Self.lastWords) {
            for connection in self.connections.values { connection.end() }
        }
    }

    // MARK: Calls

    /// Puts a guard in front of the library's handlers of a call.
    package func guardCall(_ channel: any Channel) -> EventLoopFuture<Void> {
        loop.makeCompletedFuture {
            guard let parent = channel.parent,
                let connection = connections[ObjectIdentifier(parent)]
            else { throw ChannelError.ioOnClosedChannel }
            let id = try channel.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID)
            try channel.pipeline.syncOperations.addHandler(
                CallGuard(
                    stream: id.map { UInt32(Int($0)) } ?? 0, table: self, connection: connection),
                position: .first)
        }
    }

    /// Whether more calls are open than may be.
    var isFull: Bool { openCalls > limits.maxCalls }

    func callOpened() {
        openCalls += 1
        statistics.set(calls: openCalls)
    }

    func callClosed() {
        openCalls -= 1
        statistics.set(calls: openCalls)
    }

    // MARK: Bytes

    func take(_ count: Int) -> Bool {
        guard requestBytes.take(count) else { return false }
        statistics.set(heldBytes: requestBytes.used)
        return true
    }

    func giveBack(_ count: Int) {
        guard count > 0 else { return }
        requestBytes.giveBack(count)
        statistics.set(heldBytes: requestBytes.used)
    }
}
