import EtcdGateway
import Foundation
import LedgerCore
import LedgerReplica
import LedgerStore

/// Time that passes at once.
struct NoTime: ReplicaClock {
    var now: MonotonicInstant { MonotonicInstant(nanoseconds: 0) }
    var moment: Moment { Moment(now: now, wall: .unsampled) }
    func sleep(for length: Nanoseconds) async throws {}
    func note(_ member: AnsweringMember, roundTrip: Nanoseconds) {}
}

/// etcd as somebody in the world reaches it.
final class TroubledStore: EtcdAccess {
    private unowned let world: ArchiveWorld
    private let fails: Bool

    init(_ world: ArchiveWorld, fails: Bool) {
        self.world = world
        self.fails = fails
    }

    private enum Fault: CaseIterable { case none, notSent, lostBefore, lostAfter }

    func ask(
        _ question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdAnswer {
        await world.interleave()
        let faults = Fault.allCases
        let fault = fails ? faults[world.chooser.choose(faults.count, oddsAgainst: 24)] : .none
        let store = options.only == nil ? world.etcd : world.copy
        switch fault {
        case .none: return try store.answer(question).get()
        case .notSent: throw EtcdError(failureClass: .notSent, code: .connect, message: "simulated")
        case .lostBefore: break
        case .lostAfter: _ = store.answer(question)
        }
        throw EtcdError(failureClass: .unknown, code: .timeout, message: "simulated")
    }
}

/// Compares at the speed of the memory, debug builds included.
func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count
        && left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                left.isEmpty || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0
            }
        }
}
