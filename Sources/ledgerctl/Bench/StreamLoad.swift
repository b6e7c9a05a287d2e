internal import GRPCCore
internal import LedgerAPI
internal import LedgerClient
internal import Synchronization
internal import TaskCoordination

/// Parallel streams, each with a window of unanswered events.
struct StreamLoad {
    let run: BenchRun
    let connections: [BenchConnection]

    /// What was measured, and the first failure that broke a stream.
    func perform() async -> (tally: BenchTally, failure: String?) {
        await withTaskGroup(of: (BenchTally, String?).self) { group in
            for index in 0..<run.plan.inFlight {
                let connection = connections[index % connections.count]
                group.addTask { [run] in await Self.streams(run, connection) }
            }
            var total = BenchTally()
            var failure: String?
            for await (tally, streamFailure) in group {
                total.merge(tally)
                failure = failure ?? streamFailure
            }
            return (total, failure)
        }
    }

    /// One stream after another, for a stream that breaks has a successor.
    private static func streams(
        _ run: BenchRun, _ connection: BenchConnection
    ) async -> (BenchTally, String?) {
        var total = BenchTally()
        var failure: String?
        while run.mayGoOn, !Task.isCancelled {
            let (tally, why) = await BenchStream(run: run, connection: connection).perform()
            total.merge(tally)
            failure = failure ?? why
            if run.mayGoOn { try? await Task.sleep(for: BenchConnection.lostPause) }
        }
        return (total, failure)
    }
}

/// One stream of the load generator.
final class BenchStream: Sendable {
    /// When the unanswered events were handed over, in the order of their answers.
    private struct State {
        var sentAt: [UInt64] = []
        var first = 0
        var tally = BenchTally()

        mutating func takeFirst() -> UInt64? {
            guard first < sentAt.count else { return nil }
            defer {
                first += 1
                if first >= 8192 {
                    sentAt.removeFirst(first)
                    first = 0
                }
            }
            return sentAt[first]
        }
    }

    private let run: BenchRun
    private let connection: BenchConnection
    private let window: Gate
    private let state = Mutex(State())

    init(run: BenchRun, connection: BenchConnection) {
        self.run = run
        self.connection = connection
        window = Gate(permits: run.plan.window)
    }

    func perform() async -> (BenchTally, String?) {
        var failure: String?
        let request = StreamingClientRequest<Ledger_CertifiedEvent> { try await self.send($0) }
        do {
            try await connection.stub.submitEvents(request: request) { response in
                try await self.receive(response)
            }
        } catch {
            failure = LedgerError.summary(error)
        }
        return state.withLock { state in
            let open = state.sentAt[state.first...].count { self.run.isMeasured(beganAt: $0) }
            if Task.isCancelled {
                state.tally.recordUnanswered(open)
            } else {
                state.tally.recordLost(open)
            }
            return (state.tally, failure)
        }
    }

    private func send(_ writer: RPCWriter<Ledger_CertifiedEvent>) async throws {
        // Batches spare most of the changes between tasks; a small window is not taken at once, or
        // sending and answering would alternate.
        let batch = max(1, min(64, run.plan.window / 4))
        while run.mayGoOn {
            let count = await window.acquire(upTo: batch)
            guard count > 0 else { return }
            let events = (0..<count).map { _ in run.nextEvent() }
            let now = BenchClock.microseconds
            state.withLock { $0.sentAt.append(contentsOf: repeatElement(now, count: count)) }
            try await writer.write(contentsOf: events)
        }
    }

    private func receive(_ response: StreamingClientResponse<Ledger_SubmitResult>) async throws {
        let batch = max(1, run.plan.window / 16)
        var answered = 0
        for try await answer in response.messages {
            let outcome = connection.judge.outcome(answer)
            let now = BenchClock.microseconds
            state.withLock { state in
                guard let begin = state.takeFirst(), run.isMeasured(beganAt: begin) else { return }
                state.tally.record(
                    BenchConnection.Sample(microseconds: now - begin, outcome: outcome),
                    contractMs: run.plan.contractMs)
            }
            answered += 1
            if answered >= batch {
                window.release(answered)
                answered = 0
            }
        }
    }
}
