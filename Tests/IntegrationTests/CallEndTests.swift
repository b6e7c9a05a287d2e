import GRPCCore
import LedgerAPI
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

extension Integration {
    /// How open calls end. The callers have no alarm of their own: `grpc-timeout` is a header like any other, and what
    /// they are told comes from the service.
    @Suite("Ends of calls", .serialized)
    struct CallEndTests {
        /// grpc-go writes 50 ms like this: eight digits, which the gRPC library takes no notice of.
        private static let shortly: Metadata = ["grpc-timeout": "50000000n"]

        /// Why a call ended; nil where it did not fail.
        private func failure(_ call: () async throws -> Void) async -> CallFailure? {
            do {
                try await call()
                return nil
            } catch {
                return CallFailure(error)
            }
        }

        @Test("the deadline of an open SubmitEvents is told as such; answers given before stand")
        func submissions() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                let answers = Mutex<[CallAnswer]>([])
                let (ended, end) = AsyncStream.makeStream(of: Void.self)
                let failure = await failure {
                    try await ledger.calls.ledger.submitEvents(
                        metadata: ["grpc-timeout": "1500m"],
                        requestProducer: { writer in
                            try await writer.write(
                                contentsOf: Ledger_CertifiedEvent.samples("open", count: 3))
                            for await _ in ended {}
                        },
                        onResponse: { response in
                            defer { end.finish() }
                            for try await result in response.messages {
                                answers.withLock { $0.append(CallAnswer(result)) }
                            }
                        })
                }
                #expect(failure?.code == .deadlineExceeded, "\(String(describing: failure))")
                #expect(failure?.reason == "DEADLINE_EXCEEDED")
                #expect(answers.withLock { $0.filter(\.isSealed).count } == 3)
            }
        }

        @Test("so is that of a ListEvents that follows and has nothing to tell")
        func following() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                #expect(await ledger.calls.submit(.sample("before")).isSealed)
                let listed = Mutex(0)
                let failure = await failure {
                    try await ledger.calls.ledger.listEvents(
                        .with { $0.follow = true }, metadata: ["grpc-timeout": "1S"]
                    ) { response in
                        for try await _ in response.messages { listed.withLock { $0 += 1 } }
                    }
                }
                #expect(failure?.code == .deadlineExceeded, "\(String(describing: failure))")
                #expect(failure?.reason == "DEADLINE_EXCEEDED")
                #expect(listed.withLock { $0 } == 1)
            }
        }

        @Test("nobody is refused for nine who verify and have gone, waiting or running")
        func verifications() async throws {
            try await withCluster(size: 1) { cluster in
                // Nothing but its callers' end ends a run.
                let settings = ["ETCD_REQUEST_TIMEOUT_MS": "10000"]
                try await withLedger(on: cluster, settings: settings) { ledger in
                    #expect(await ledger.calls.submit(.sample("one")).isSealed)
                    // The first run waits for etcd, the others for the first.
                    await cluster.pause(0)
                    let verify = { @Sendable () async -> CallFailure? in
                        await failure {
                            _ = try await ledger.calls.ledger.verifyEvents(
                                .init(), metadata: Self.shortly)
                        }
                    }
                    await withTaskGroup(of: CallFailure?.self) { group in
                        for _ in 0..<9 { group.addTask { await verify() } }
                        for await failure in group {
                            #expect(failure?.reason == "DEADLINE_EXCEEDED")
                        }
                    }
                    let tenth = await verify()
                    #expect(tenth?.reason == "DEADLINE_EXCEEDED", "\(String(describing: tenth))")

                    // Who cancels makes room as well.
                    let gone = (0..<9).map { _ in
                        Task {
                            // One of them may find the place taken that somebody is about to leave.
                            while !Task.isCancelled {
                                let failure = await failure {
                                    _ = try await ledger.calls.ledger.verifyEvents(.init())
                                }
                                if failure?.reason != "OVERLOADED" { break }
                            }
                        }
                    }
                    try await eventually("they fill the queue") {
                        await verify()?.reason == "OVERLOADED"
                    }
                    for task in gone { task.cancel() }
                    for task in gone { _ = await task.result }
                    try await eventually("there is room again") {
                        await verify()?.reason == "DEADLINE_EXCEEDED"
                    }
                    await cluster.resume(0)
                    try await eventually("etcd is back") {
                        try await ledger.calls.verify().valid
                    }
                }
            }
        }

        @Test("reads that wait for etcd end with their callers' deadlines")
        func reads() async throws {
            try await withCluster(size: 1) { cluster in
                let settings = [
                    "LEDGER_CACHE_BYTES": "0", "LEDGER_FOLLOW_BYTES": "0",
                    "ETCD_REQUEST_TIMEOUT_MS": "10000",
                ]
                try await withLedger(on: cluster, settings: settings) { ledger in
                    #expect(await ledger.calls.submit(.sample("one")).isSealed)
                    await cluster.pause(0)
                    let client = ledger.calls.ledger
                    let timeout = Self.shortly
                    var failures: [CallFailure?] = []
                    failures.append(
                        await failure {
                            _ = try await client.getEvent(
                                .with { $0.sequenceNumber = 9 }, metadata: timeout)
                        })
                    failures.append(
                        await failure {
                            _ = try await client.getEventById(
                                .with { $0.eventID = "nobody" }, metadata: timeout)
                        })
                    failures.append(
                        await failure {
                            try await client.listEvents(
                                .with {
                                    $0.first = 1
                                    $0.last = 1
                                }, metadata: timeout
                            ) { response in
                                for try await _ in response.messages {}
                            }
                        })
                    failures.append(
                        await failure {
                            _ = try await client.healthCheck(.init(), metadata: timeout)
                        })
                    failures.append(
                        await failure {
                            _ = try await Ledger_Health.Client(wrapping: ledger.calls.client)
                                .getHealth(.init(), metadata: timeout)
                        })
                    for failure in failures {
                        #expect(failure?.reason == "DEADLINE_EXCEEDED", "\(failures)")
                        #expect(failure?.code == .deadlineExceeded)
                    }
                    await cluster.resume(0)
                }
            }
        }

        @Test(
            "deadlines of any length are ordinary input",
            arguments: ["2562048H", "99999999H", "9999999M", "99999999S"])
        func farDeadlines(timeout: String) async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                let metadata: Metadata = ["grpc-timeout": .string(timeout)]
                let sealed = try await ledger.calls.ledger.submitEvent(
                    .sample("far"), metadata: metadata)
                #expect(sealed.sequenceNumber == 1)
                let read = try await ledger.calls.ledger.getEvent(
                    .with { $0.sequenceNumber = 1 }, metadata: metadata)
                #expect(read.eventHash == sealed.eventHash)
                let answers = try await ledger.calls.ledger.submitEvents(
                    metadata: metadata,
                    requestProducer: { try await $0.write(.sample("far-2")) },
                    onResponse: { response in
                        var answers: [CallAnswer] = []
                        for try await result in response.messages {
                            answers.append(CallAnswer(result))
                        }
                        return answers
                    })
                #expect(answers.map(\.isSealed) == [true])
            }
        }

        @Test("STOPPING is said when the replica stops, to every call that is open then")
        func stopping() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let ledger = try await LedgerFixture.start(on: cluster)
            try await ledger.use { ledger in
                let open = Mutex(0)
                let isOpen = { @Sendable in open.withLock { $0 += 1 } }
                let (ended, end) = AsyncStream.makeStream(of: Void.self)
                async let followed = failure {
                    try await ledger.calls.ledger.listEvents(.with { $0.follow = true }) {
                        response in
                        for try await _ in response.messages { isOpen() }
                    }
                }
                async let watched = failure {
                    try await ledger.calls.health.watch(.init()) { response in
                        var count = 0
                        for try await _ in response.messages {
                            count += 1
                            if count == 1 { isOpen() }
                        }
                    }
                }
                async let submitted = failure {
                    try await ledger.calls.ledger.submitEvents(
                        requestProducer: { writer in
                            try await writer.write(.sample("open"))
                            for await _ in ended {}
                        },
                        onResponse: { response in
                            defer { end.finish() }
                            for try await _ in response.messages { isOpen() }
                        })
                }
                try await eventually("all are open") { open.withLock { $0 } == 3 }
                ledger.process.terminate()
                for failure in [await followed, await watched, await submitted] {
                    #expect(failure?.code == .unavailable, "\(String(describing: failure))")
                    #expect(failure?.reason == "STOPPING", "\(String(describing: failure))")
                }
                let status = try await ledger.process.waitForEnd()
                #expect(status == 0)
            }
        }

        @Test("a conflict says which fields differ, in a call of its own and in a stream")
        func conflict() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                var event = Ledger_CertifiedEvent.sample("certified-twice")
                #expect(await ledger.calls.submit(event).isSealed)
                event.vepsTimestamp += 1
                let again = event
                let error = await #expect(throws: RPCError.self) {
                    _ = try await ledger.calls.ledger.submitEvent(again)
                }
                #expect(error.map { String(describing: $0).contains("veps_timestamp") } == true)
                let text = try await ledger.calls.ledger.submitEvents(
                    requestProducer: { try await $0.write(again) },
                    onResponse: { response in
                        var text = ""
                        for try await result in response.messages {
                            text = result.rejection.message
                        }
                        return text
                    })
                #expect(text.contains("differs in veps_timestamp"))
            }
        }
    }
}
