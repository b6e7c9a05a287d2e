/// Callers that submit one event after another: a closed loop.
struct UnaryLoad {
    let run: BenchRun
    let connections: [BenchConnection]

    func perform() async -> BenchTally {
        await withTaskGroup(of: BenchTally.self) { group in
            for caller in 0..<run.plan.inFlight {
                let connection = connections[caller % connections.count]
                group.addTask { [run] in await Self.call(run, connection) }
            }
            var total = BenchTally()
            for await tally in group { total.merge(tally) }
            return total
        }
    }

    private static func call(_ run: BenchRun, _ connection: BenchConnection) async -> BenchTally {
        var tally = BenchTally()
        while run.mayGoOn, !Task.isCancelled {
            let isReachable = await connection.submit(run, from: BenchClock.microseconds) {
                tally.record($0, contractMs: run.plan.contractMs)
            }
            if !isReachable { try? await Task.sleep(for: BenchConnection.lostPause) }
        }
        return tally
    }
}
