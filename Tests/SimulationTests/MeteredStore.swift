import EtcdGateway
import LedgerStore
import Synchronization

/// A store that notes what is read, and does not answer in time where that is much.
final class MeteredStore: EtcdAccess {
    struct Read: Sendable {
        var keys: Int
        var bytes: Int
        var answered: Bool
    }

    private let store: SimulatedEtcd
    private let bearableBytes: Int
    private let code: EtcdErrorCode
    private let noted = Mutex<[Read]>([])
    private let transactionCount = Atomic<Int>(0)

    init(
        _ store: SimulatedEtcd, bearableBytes: Int = .max, otherwise code: EtcdErrorCode = .timeout
    ) {
        self.store = store
        self.bearableBytes = bearableBytes
        self.code = code
    }

    var reads: [Read] { noted.withLock { $0 } }
    var transactions: Int { transactionCount.load(ordering: .relaxed) }

    func ask(
        _ question: EtcdQuestion, _ options: EtcdRequestOptions
    ) async throws(EtcdError) -> EtcdAnswer {
        let answer = try store.answer(question).get()
        guard case .range(let response) = answer else {
            transactionCount.add(1, ordering: .relaxed)
            return answer
        }
        let bytes = response.kvs.reduce(0) { $0 + $1.value.count }
        let answers = bytes <= bearableBytes
        noted.withLock {
            $0.append(Read(keys: response.kvs.count, bytes: bytes, answered: answers))
        }
        guard answers else {
            throw EtcdError(failureClass: .unknown, code: code, message: "too much")
        }
        return answer
    }
}
