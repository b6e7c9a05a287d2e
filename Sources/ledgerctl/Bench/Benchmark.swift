internal import EventLoopTasks
internal import GRPCCore
internal import LedgerAPI
internal import LedgerClient

/// Runs a plan: connections, load, an end that comes even where the service hangs, and the report.
struct Benchmark {
    /// How long answers are waited for after the end.
    private static let grace = Duration.seconds(5)

    let plan: BenchPlan

    /// The load takes as little processor time from what it measures as it can, so it runs on one event loop.
    func perform() async throws -> BenchReport {
        try await Reactor.run { try await performHere() }
    }

    private func performHere() async throws -> BenchReport {
        var connections: [BenchConnection] = []
        for address in plan.connections {
            connections.append(try BenchConnection(to: address, plan: plan))
        }
        let all = connections
        return try await withThrowingDiscardingTaskGroup { group in
            for connection in all {
                group.addTask { try await connection.client.runConnections() }
            }
            try await connect(all)
            let end = { for connection in all { connection.client.beginGracefulShutdown() } }
            // The lean load has connections of its own.
            if plan.generator == .lean { end() }
            let report = try await measure(all)
            if plan.generator == .grpc { end() }
            return report
        }
    }

    private func measure(_ connections: [BenchConnection]) async throws -> BenchReport {
        let run = BenchRun(plan: plan)
        async let cpuAtStart = Self.processorSeconds(at: run.measureFrom)
        let (tally, waits, failure) = await load(run, connections)
        let end = BenchClock.microseconds
        let cpu = BenchClock.processorSeconds - (await cpuAtStart)
        // Answers that come after the end belong to events that began before it.
        let seconds = Double(end - min(end, run.measureFrom)) / 1e6
        return BenchReport(
            plan: plan, tally: tally, seconds: seconds, cpuSeconds: cpu, capWaits: waits,
            failure: failure)
    }

    /// Makes the connections before anything is timed, and fails early where there is no service.
    private func connect(_ connections: [BenchConnection]) async throws {
        for connection in connections {
            do {
                _ = try await connection.stub.healthCheck(.init())
            } catch {
                throw LedgerError.read(error, service: connection.service)
            }
        }
    }

    typealias Outcome = (tally: BenchTally, waits: Int?, failure: String?)

    private func load(_ run: BenchRun, _ connections: [BenchConnection]) async -> Outcome {
        await withTaskGroup(of: Outcome?.self) { group in
            group.addTask { await perform(run, connections) }
            group.addTask {
                // A hanging service would hold up the run for ever: no call has a timer.
                let end = run.measureUntil
                let rest = end - min(end, BenchClock.microseconds)
                try? await Task.sleep(for: .microseconds(rest) + Self.grace)
                return nil
            }
            var outcome: Outcome = (BenchTally(), nil, nil)
            // Whichever ends first ends the other; the load tells what it has by then.
            for await result in group {
                group.cancelAll()
                if let result { outcome = result }
            }
            return outcome
        }
    }

    private func perform(_ run: BenchRun, _ connections: [BenchConnection]) async -> Outcome {
        if plan.generator == .lean {
            return await LeanLoad(run: run, connections: plan.connections).perform()
        }
        switch plan.mode {
        case .unary:
            return (await UnaryLoad(run: run, connections: connections).perform(), nil, nil)
        case .openLoop:
            let (tally, waits) = await OpenLoad(run: run, connections: connections).perform()
            return (tally, waits, nil)
        case .stream:
            let (tally, failure) = await StreamLoad(run: run, connections: connections).perform()
            return (tally, nil, failure)
        }
    }

    /// The processor time at the end of the warm-up; now where the run ends before that.
    private static func processorSeconds(at time: UInt64) async -> Double {
        let now = BenchClock.microseconds
        if time > now { try? await Task.sleep(for: .microseconds(time - now)) }
        return BenchClock.processorSeconds
    }
}
