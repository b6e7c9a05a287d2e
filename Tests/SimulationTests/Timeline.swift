import Glibc

/// Virtual time, and all that happens in it: one thing after another, in an order that the chooser decides.
///
/// Tasks run in it as well, on executors that queue their jobs here. A job takes no time, unless it is held up.
///
/// `@unchecked Sendable`: only the thread that made it, or is in `run`, touches it, and a job that comes from another one
/// ends the test.
final class Timeline: @unchecked Sendable {
    private struct Scheduled {
        var at: Int64
        var action: () -> Void
    }

    /// What a life has to do now.
    enum Work {
        case job(UnownedJob)
        case call(() -> Void)
    }

    let chooser: any Chooser
    private(set) var now: Int64 = 0
    /// Of two runs with the same trace the same has happened in the same order.
    private(set) var trace: UInt64 = 0xCBF2_9CE4_8422_2325
    private(set) var steps = 0
    private var agenda: [Scheduled] = []
    private var ready: [(life: Life, work: Work)] = []
    private var thread = pthread_self()

    init(chooser: any Chooser) {
        self.chooser = chooser
    }

    var isOnItsThread: Bool { pthread_equal(thread, pthread_self()) != 0 }

    func schedule(after delay: Int64, _ action: @escaping () -> Void) {
        let item = Scheduled(at: now + delay, action: action)
        // Latest first, so that the next one is the last.
        var (low, high) = (agenda.startIndex, agenda.endIndex)
        while low < high {
            let middle = (low + high) / 2
            if agenda[middle].at > item.at { low = middle + 1 } else { high = middle }
        }
        agenda.insert(item, at: low)
    }

    /// Most often at once, after all that is ready before it.
    func add(_ work: Work, of life: Life) {
        precondition(isOnItsThread, "something runs outside virtual time")
        // Once in a while a thread has to wait for a core.
        if chooser.number(in: 0...63) == 63 {
            schedule(after: chooser.number(in: 1_000...300_000)) { [self] in
                ready.append((life, work))
            }
        } else {
            ready.append((life, work))
        }
    }

    /// Lets everything happen that is due until a time.
    func run(until end: Int64) throws {
        thread = pthread_self()
        try drain()
        while let next = agenda.last, next.at <= end {
            agenda.removeLast()
            now = next.at
            next.action()
            try drain()
        }
        now = max(now, end)
    }

    /// Forgets what is to happen later.
    func clear() { agenda = [] }

    /// Of what is ready most often the first has its turn.
    private func drain() throws {
        var count = 0
        while !ready.isEmpty {
            let isFirst = chooser.number(in: 0...7) < 7
            let place = isFirst ? 0 : Int(chooser.number(in: 0...Int64(ready.count - 1)))
            let (life, work) = ready.remove(at: place)
            note(life.name)
            // A driver that goes on at once, again and again, would keep a processor busy for ever.
            count += 1
            if count > 100_000 { throw TimeStandsStill(at: now) }
            life.run(work)
        }
    }

    private func note(_ name: UInt64) {
        steps += 1
        for part in [UInt64(now), name] { trace = (trace ^ part) &* 0x100_0000_01B3 }
    }
}

/// More happened in one moment of virtual time than ever should.
struct TimeStandsStill: Error {
    var at: Int64
}
