package import EtcdGateway
package import LedgerCore
import Logging

/// The bytes of a ledger in etcd, to be looked at and tampered with.
package struct StoredLedger: Sendable {
    /// A stored block and the number in its key.
    package struct StoredBlock: Sendable {
        package let number: UInt64
        package let bytes: [UInt8]
    }

    package let keys: LedgerKeys
    package let client: EtcdClient

    /// Connects to the cluster's members directly.
    package init(of ledger: LedgerFixture) throws {
        keys = LedgerKeys(prefix: ledger.prefix)
        var configuration = ledger.cluster.configuration
        configuration.requestTimeout = .seconds(20)
        client = try EtcdClient(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Looks at another ledger on the same cluster, over the same connections.
    private init(_ other: StoredLedger, prefix: String) {
        keys = LedgerKeys(prefix: prefix)
        client = other.client
    }

    /// Writes everything but the sealer's hint once more, below another prefix.
    package func copy(to prefix: String) async throws -> StoredLedger {
        let copy = StoredLedger(self, prefix: prefix)
        var puts: [EtcdOperation] = []
        var bytes = 0
        for pair in try await everything() where pair.key != keys.sealer {
            // etcd takes at most 128 operations and 1.5 MiB at a time.
            if puts.count == 100 || bytes + pair.value.count > 512 << 10 {
                _ = try await client.transaction(EtcdTransaction(success: puts))
                (puts, bytes) = ([], 0)
            }
            let key = copy.keys.prefix + pair.key.dropFirst(keys.prefix.count)
            puts.append(.put(key: key, value: pair.value))
            bytes += pair.value.count
        }
        _ = try await client.transaction(EtcdTransaction(success: puts))
        return copy
    }

    /// The value of a key; nil where it does not exist.
    package func value(_ key: [UInt8]) async throws -> [UInt8]? {
        try await client.range(EtcdRangeRequest(key: key)).kvs.first?.value
    }

    /// Writes a value, whatever stands there.
    package func put(_ key: [UInt8], _ value: [UInt8]) async throws {
        _ = try await client.transaction(EtcdTransaction(success: [.put(key: key, value: value)]))
    }

    /// Changes a value that exists.
    package func change(_ key: [UInt8], _ change: (inout [UInt8]) -> Void) async throws {
        guard var value = try await value(key) else {
            throw TestFailure("no key \(String(decoding: key, as: UTF8.self))")
        }
        change(&value)
        try await put(key, value)
    }

    package func delete(_ key: [UInt8]) async throws {
        _ = try await client.transaction(EtcdTransaction(success: [.delete(key: key)]))
    }

    /// All stored blocks in their order.
    package func blocks() async throws -> [StoredBlock] {
        let range = keys.allBlocks
        let found = try await client.range(
            EtcdRangeRequest(key: range.key, rangeEnd: range.rangeEnd))
        return found.kvs.compactMap { pair in
            keys.blockNumber(pair.key).map {
                StoredBlock(number: $0.rawValue, bytes: pair.value)
            }
        }
    }

    /// Everything below the ledger's prefix.
    package func everything() async throws -> [EtcdKeyValue] {
        let range = keys.everything
        return try await client.range(
            EtcdRangeRequest(key: range.key, rangeEnd: range.rangeEnd)
        ).kvs
    }
}

/// Runs a test with the stored bytes of a ledger.
package func withKeys<Value>(
    of ledger: LedgerFixture, _ body: (StoredLedger) async throws -> Value
) async throws -> Value {
    let stored = try StoredLedger(of: ledger)
    do {
        let value = try await body(stored)
        await stored.client.shutdown()
        return value
    } catch {
        await stored.client.shutdown()
        throw error
    }
}
