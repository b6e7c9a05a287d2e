import EtcdGateway
import LedgerStore
import Synchronization

/// A store that fails as it is told to, before or after it has done what it was asked.
final class FailingStore: EtcdAccess {
    enum Fault: Sendable {
        case none
        case before(EtcdError)
        case after(EtcdError)

        var error: EtcdError? {
            switch self {
            case .none: nil
            case .before(let error), .after(let error): error
            }
        }
    }

    private struct State {
        var faults: [Fault] = []
        var options: [EtcdRequestOptions] = []
    }

    let store: SimulatedEtcd
    /// What members have by themselves, where that is another store.
    private let copies: [EtcdEndpoint: SimulatedEtcd]
    private let state = Mutex(State())

    init(_ store: SimulatedEtcd, copies: [EtcdEndpoint: SimulatedEtcd] = [:]) {
        self.store = store
        self.copies = copies
    }

    /// The next requests end so, in this order; those after them go well.
    func fail(_ faults: Fault...) {
        state.withLock { $0.faults = faults }
    }

    /// What was asked for with each request.
    var options: [EtcdRequestOptions] { state.withLock { $0.options } }

    func ask(
        _ question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdAnswer {
        let fault = state.withLock { state in
            state.options.append(options)
            return state.faults.isEmpty ? Fault.none : state.faults.removeFirst()
        }
        let store = options.only.map { copies[$0] ?? self.store } ?? self.store
        options.onAttempt?(SimulatedEtcd.endpoint)
        if case .before(let error) = fault { throw error }
        let answer = try store.answer(question).get()
        if case .after(let error) = fault { throw error }
        return answer
    }
}
