import Foundation
import GRPCCore
import LedgerAPI
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

extension Integration {
    /// Callers that do not behave.
    @Suite("Streams and crowds", .serialized)
    struct StreamTests {
        @Test("who does not read the answers is not read from, and disturbs nobody")
        func unreadAnswers() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = ["LEDGER_MAX_STREAM_EVENTS": "64"]
            try await withLedger(on: cluster, settings: settings) { ledger in
                let written = Mutex(0)
                let total = 1_200
                let (reading, startReading) = AsyncStream.makeStream(of: Void.self)
                let greedy = try await LedgerCalls(ledger.process, windowBytes: 65_535)
                let stream = Task {
                    try await greedy.ledger.submitEvents(
                        requestProducer: { writer in
                            for number in 1...total {
                                try await writer.write(
                                    .sample("greedy-\(number)", payloadBytes: 16_000))
                                written.withLock { $0 = number }
                            }
                        },
                        onResponse: { response in
                            for await _ in reading { break }
                            var answers: [CallAnswer] = []
                            for try await result in response.messages {
                                answers.append(CallAnswer(result))
                            }
                            return answers
                        })
                }
                let stalledAt = try await stall(of: written)
                // The transport itself takes 8 MiB of a stream that nobody reads: 524 events.
                #expect(stalledAt < 700, "\(stalledAt) events of 16 kB were taken")
                let resident = try residentBytes(ledger.process)
                #expect(resident < 400 << 20, "\(resident) bytes")
                for event in Ledger_CertifiedEvent.samples("polite", count: 10) {
                    #expect(await ledger.calls.submit(event).isSealed)
                }
                startReading.finish()
                let answers = try await stream.value
                #expect(answers.count == total)
                let numbers = answers.compactMap { $0.event?.sequenceNumber }
                #expect(numbers == numbers.sorted())
                // What waited for its turn too long was refused with certainty.
                #expect(answers.allSatisfy { $0.isSealed || $0.isNotSealed })
                await greedy.close()
            }
        }

        /// Waits until a counter stands still, and returns it.
        private func stall(of counter: borrowing Mutex<Int>) async throws -> Int {
            var last = -1
            var since = ContinuousClock.now
            let deadline = since + .seconds(30)
            while since.duration(to: .now) < .seconds(2), ContinuousClock.now < deadline {
                let now = counter.withLock { $0 }
                if now != last { (last, since) = (now, .now) }
                try await Task.sleep(for: .milliseconds(50))
            }
            return last
        }

        private func residentBytes(_ process: LedgerProcess) throws -> Int {
            let text = try String(
                contentsOfFile: "/proc/\(process.processID)/statm", encoding: .utf8)
            let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            return try #require(pages) * 4_096
        }

        @Test("a caller that leaves in the middle of its stream leaves a sound ledger behind")
        func leavingCaller() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                struct Leaving: Error {}
                let admin = try await ledger.process.adminPort()
                for round in 1...5 {
                    let leaving = try await LedgerCalls(ledger.process)
                    await #expect(throws: (any Error).self) {
                        try await leaving.ledger.submitEvents(
                            requestProducer: { writer in
                                for number in 1...2_000 {
                                    try await writer.write(.sample("left-\(round)-\(number)"))
                                }
                            },
                            onResponse: { response in
                                var count = 0
                                for try await _ in response.messages {
                                    count += 1
                                    if count == 10 * round { throw Leaving() }
                                }
                            })
                    }
                    await leaving.close()
                    #expect(await ledger.calls.submit(.sample("stayed-\(round)")).isSealed)
                }
                try await eventually("nothing waits any more") {
                    try await metric("ledger_queue_events", admin) == 0
                }
                #expect(try await ledger.calls.event(id: "left-1-1").eventID == "left-1-1")
                #expect(try await LedgerCheck.contradictions(ledger.calls) == [])
            }
        }

        private func metric(_ name: String, _ admin: Int) async throws -> Double? {
            let page = try await LoopbackHTTP.get(port: admin, path: "/metrics")?.body ?? ""
            for line in page.split(whereSeparator: \.isNewline) where line.hasPrefix(name + " ") {
                return Double(line.dropFirst(name.count + 1))
            }
            return nil
        }

        @Test("of 200 equal submissions at once one number comes out, and other content conflicts")
        func concurrentDuplicates() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            try await withLedger(on: cluster) { ledger in
                let calls = ledger.calls
                #expect(await calls.submit(.sample("before")).isSealed)
                let event = Ledger_CertifiedEvent.sample("crowded")
                let answers = await withTaskGroup(of: CallAnswer.self) { group in
                    for _ in 1...200 { group.addTask { await calls.submit(event) } }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(answers.allSatisfy { $0.event?.sequenceNumber == 2 }, "\(answers)")
                #expect(Set(answers.compactMap { $0.event?.eventHash }).count == 1)
                #expect(answers.contains { $0.isSealed })

                var other = event
                other.payload = Data("other content".utf8)
                let conflicting = other
                for _ in 1...20 {
                    let answer = await calls.submit(conflicting)
                    guard case .conflicting = answer else { throw TestFailure("\(answer)") }
                }
                #expect(try await calls.events().count == 2)
                #expect(try await LedgerCheck.contradictions(calls) == [])
            }
        }

        @Test("many streams at once: each gets its answers in order, with ascending numbers")
        func manyStreams() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let settings = [
                "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
            ]
            try await withLedger(on: cluster, settings: settings) { ledger in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for stream in 1...8 {
                        group.addTask {
                            let events = Ledger_CertifiedEvent.samples("s\(stream)", count: 250)
                            let answers = try await ledger.calls.submitStream(events)
                            #expect(
                                answers.compactMap { $0.event?.eventID } == events.map(\.eventID))
                            let numbers = answers.compactMap { $0.event?.sequenceNumber }
                            #expect(numbers == numbers.sorted())
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try await ledger.calls.events().count == 2_000)
                #expect(try await LedgerCheck.contradictions(ledger.calls) == [])
            }
        }
    }
}
