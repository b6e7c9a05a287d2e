import EtcdGateway
import LedgerStore
import Synchronization

/// etcd's keys, revisions, leases and transactions, in memory.
final class SimulatedEtcd: Sendable {
    struct Stored: Sendable {
        var value: [UInt8]
        var createRevision: Int64
        var modRevision: Int64
        var version: Int64
        var lease: Int64
    }

    /// In virtual nanoseconds.
    struct Lease: Sendable {
        var end: Int64
        var length: Int64
    }

    struct Contents: Sendable {
        var keys = StoredKeys<Stored>()
        var revision: Int64 = 1
        var leases: [Int64: Lease] = [:]
        var nextLease: Int64 = 1
        /// The virtual time.
        var now: Int64 = 0
    }

    static let endpoint = EtcdEndpoint(scheme: .https, host: "127.0.0.1", port: 2379)

    private let contents = Mutex(Contents())

    /// Everything as it is now; setting it restores a backup.
    var snapshot: Contents {
        get { contents.withLock { $0 } }
        set { contents.withLock { $0 = newValue } }
    }

    func apply(_ transaction: EtcdTransaction) -> EtcdTransactionResponse {
        contents.withLock { contents in
            let succeeded = transaction.compares.allSatisfy { Self.holds($0, in: contents) }
            let operations = succeeded ? transaction.success : transaction.failure
            let writes = operations.contains { if case .range = $0 { false } else { true } }
            if writes { contents.revision += 1 }
            let responses = operations.map { Self.perform($0, on: &contents) }
            return EtcdTransactionResponse(
                header: Self.header(contents), succeeded: succeeded, responses: responses)
        }
    }

    /// Whether its comparisons hold now.
    func holds(_ transaction: EtcdTransaction) -> Bool {
        contents.withLock { contents in
            transaction.compares.allSatisfy { Self.holds($0, in: contents) }
        }
    }

    func range(_ request: EtcdRangeRequest) -> EtcdRangeResponse {
        contents.withLock { Self.range(request, in: $0) }
    }

    /// Writes a key as somebody with access to etcd could.
    func put(_ key: [UInt8], _ value: [UInt8]) {
        _ = apply(EtcdTransaction(success: [.put(key: key, value: value)]))
    }

    // MARK: Leases

    func grantLease(ttlSeconds: Int64) -> EtcdLease {
        contents.withLock { contents in
            defer { contents.nextLease += 1 }
            let length = ttlSeconds * 1_000_000_000
            contents.leases[contents.nextLease] = Lease(end: contents.now + length, length: length)
            return EtcdLease(id: contents.nextLease, ttlSeconds: ttlSeconds)
        }
    }

    func hasLease(_ lease: Int64) -> Bool {
        contents.withLock { $0.leases[lease] != nil }
    }

    /// - Returns: how many seconds it lasts from now on; nil where it has ended.
    func renewLease(_ id: Int64) -> Int64? {
        contents.withLock { contents in
            guard let lease = contents.leases[id] else { return nil }
            contents.leases[id]?.end = contents.now + lease.length
            return lease.length / 1_000_000_000
        }
    }

    func revokeLease(_ lease: Int64) {
        contents.withLock { Self.end(lease, in: &$0) }
    }

    /// Ends every lease whose time is over; its keys vanish.
    func endLeases(at now: Int64) {
        contents.withLock { contents in
            contents.now = now
            let over = contents.leases.filter { $0.value.end <= now }.keys.sorted()
            for lease in over {
                Self.end(lease, in: &contents)
            }
        }
    }

    private static func end(_ lease: Int64, in contents: inout Contents) {
        guard contents.leases.removeValue(forKey: lease) != nil else { return }
        let doomed = contents.keys.filter { $0.lease == lease }
        guard !doomed.isEmpty else { return }
        contents.revision += 1
        for key in doomed { contents.keys[key] = nil }
    }

    // MARK: Semantics

    private static func holds(_ compare: EtcdCompare, in contents: Contents) -> Bool {
        switch compare {
        case .modRevision(let key, let revision):
            (contents.keys[key]?.modRevision ?? 0) == revision
        case .createRevision(let key, let revision):
            (contents.keys[key]?.createRevision ?? 0) == revision
        case .version(let key, let version): (contents.keys[key]?.version ?? 0) == version
        case .value(let key, let value): contents.keys[key]?.value == value
        case .lease(let key, let lease): (contents.keys[key]?.lease ?? 0) == lease
        }
    }

    private static func perform(
        _ operation: EtcdOperation, on contents: inout Contents
    ) -> EtcdOperationResponse {
        switch operation {
        case .put(let key, let value, let lease):
            let old = contents.keys[key]
            contents.keys[key] = Stored(
                value: value, createRevision: old?.createRevision ?? contents.revision,
                modRevision: contents.revision, version: (old?.version ?? 0) + 1,
                lease: lease)
            return .put
        case .range(let request):
            return .range(range(request, in: contents))
        case .delete(let key, let end):
            let doomed = contents.keys.keys(from: key, to: end)
            for key in doomed { contents.keys[key] = nil }
            return .delete(Int64(doomed.count))
        }
    }

    private static func range(
        _ request: EtcdRangeRequest, in contents: Contents
    ) -> EtcdRangeResponse {
        let found = contents.keys.keys(from: request.key, to: request.rangeEnd)
        let taken = request.limit > 0 ? found.prefix(Int(request.limit)) : found
        let pairs = taken.compactMap { key in
            contents.keys[key].map {
                EtcdKeyValue(
                    key: key, value: request.keysOnly ? [] : $0.value,
                    createRevision: $0.createRevision, modRevision: $0.modRevision,
                    version: $0.version, lease: $0.lease)
            }
        }
        return EtcdRangeResponse(
            header: header(contents), kvs: pairs, more: taken.count < found.count,
            count: Int64(found.count))
    }

    private static func header(_ contents: Contents) -> EtcdResponseHeader {
        EtcdResponseHeader(
            clusterID: 1, memberID: 1, revision: contents.revision, raftTerm: 1, date: nil,
            endpoint: endpoint)
    }
}
