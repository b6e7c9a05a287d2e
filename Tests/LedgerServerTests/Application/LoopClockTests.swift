import EventLoopTasks
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Notes what the reactor's clock says when the first bytes are read.
private final class ArrivalReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    let arrival: EventLoopPromise<UInt64>

    init(_ arrival: EventLoopPromise<UInt64>) { self.arrival = arrival }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        arrival.succeed(Reactor.arrival)
    }
}

@Suite("The reactor's clock", .serialized)
struct LoopClockTests {
    @Test("bytes that came while the loop was busy are not younger for it")
    func busyLoop() async throws {
        let arrival = Reactor.loop.makePromise(of: UInt64.self)
        let server = try await ServerBootstrap(group: Reactor.group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ArrivalReader(arrival))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(to: #require(server.localAddress)).get()
        let isBusy = Atomic<Bool>(false)
        let isSent = Atomic<Bool>(false)
        let busy = Reactor.loop.submit {
            isBusy.store(true, ordering: .sequentiallyConsistent)
            while !isSent.load(ordering: .sequentiallyConsistent) {}
        }
        while !isBusy.load(ordering: .sequentiallyConsistent) { await Task.yield() }
        try await client.writeAndFlush(ByteBuffer(bytes: [1])).get()
        let sentAt = NIODeadline.now().uptimeNanoseconds
        isSent.store(true, ordering: .sequentiallyConsistent)
        try await busy.get()
        #expect(try await arrival.futureResult.get() <= sentAt)
        try await client.close().get()
        try await server.close().get()
    }

    @Test("a moment's age grows with time, and is never negative")
    func age() {
        let now = NIODeadline.now().uptimeNanoseconds
        #expect(LoopClock.age(of: now - 1_000_000_000) >= .seconds(1))
        #expect(LoopClock.age(of: .max) == .zero)
    }
}
