import Logging
import TestSupport
import Testing

@testable import EtcdGateway

/// What a real etcd makes of the client's requests.
@Suite("EtcdClient and a real etcd")
struct EtcdClientTests {
    /// Keys that no other test uses.
    private let prefix = "test-\(UInt64.random(in: .min ... .max))/"

    private func key(_ name: String) -> [UInt8] { Array("\(prefix)\(name)".utf8) }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Calls a test with a client of the cluster that all tests here share.
    private func withClient<Result>(
        _ change: (inout EtcdConfiguration) -> Void = { _ in },
        _ body: (EtcdClient, EtcdCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = try await EtcdCluster.shared()
        var configuration = cluster.configuration
        // A machine that does many things at once must not fail these tests.
        configuration.requestTimeout = .seconds(20)
        configuration.connectTimeout = .seconds(20)
        change(&configuration)
        let client = try EtcdClient(
            configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        do {
            let result = try await body(client, cluster)
            await client.shutdown()
            return result
        } catch {
            await client.shutdown()
            throw error
        }
    }

    @Test("each comparison that holds takes one branch, each that does not the other")
    func comparisons() async throws {
        try await withClient { client, _ in
            let lease = try await client.grantLease(ttlSeconds: 60)
            let present = key("present")
            let absent = key("absent")
            let value = bytes("value")
            _ = try await client.transaction(
                EtcdTransaction(success: [.put(key: present, value: bytes("older"))]))
            let put = try await client.transaction(
                EtcdTransaction(success: [.put(key: present, value: value, lease: lease.id)]))
            let revision = put.header.revision
            let found = try await client.range(EtcdRangeRequest(key: present)).kvs[0]
            #expect(found.modRevision == revision)
            #expect(found.version == 2)
            let created = found.createRevision

            let cases: [(EtcdCompare, EtcdCompare)] = [
                (
                    .modRevision(key: present, equals: revision),
                    .modRevision(key: present, equals: revision - 1)
                ),
                (.modRevision(key: absent, equals: 0), .modRevision(key: present, equals: 0)),
                (
                    .createRevision(key: present, equals: created),
                    .createRevision(key: present, equals: revision)
                ),
                (.createRevision(key: absent, equals: 0), .createRevision(key: present, equals: 0)),
                (.version(key: present, equals: 2), .version(key: present, equals: 1)),
                (.version(key: absent, equals: 0), .version(key: absent, equals: 1)),
                (.value(key: present, equals: value), .value(key: present, equals: bytes("valuE"))),
                (.value(key: present, equals: value), .value(key: present, equals: [])),
                (.value(key: present, equals: value), .value(key: absent, equals: [])),
                (.lease(key: present, equals: lease.id), .lease(key: present, equals: 0)),
                (.lease(key: absent, equals: 0), .lease(key: present, equals: lease.id + 1)),
            ]
            for (holds, fails) in cases {
                try await expect(client, [holds], succeeds: true)
                try await expect(client, [fails], succeeds: false)
                try await expect(client, [holds, fails], succeeds: false)
            }
            try await client.revokeLease(lease.id)
            #expect(try await client.range(EtcdRangeRequest(key: present)).kvs.isEmpty)
        }
    }

    private func expect(
        _ client: EtcdClient, _ compares: [EtcdCompare], succeeds: Bool
    ) async throws {
        let yes = key("branch/yes")
        let no = key("branch/no")
        let response = try await client.transaction(
            EtcdTransaction(
                compares: compares,
                success: [.put(key: yes, value: [1]), .delete(key: no)],
                failure: [
                    .delete(key: yes), .put(key: no, value: [1]),
                    .range(EtcdRangeRequest(key: no)),
                ]))
        #expect(response.succeeded == succeeds, "\(compares)")
        #expect(response.responses.count == (succeeds ? 2 : 3))
        let found = try await client.range(EtcdRangeRequest(key: yes)).kvs.count
        #expect(found == (succeeds ? 1 : 0), "\(compares)")
    }

    @Test("ranges honour their end, limit, revision and flags")
    func ranges() async throws {
        try await withClient { client, cluster in
            let puts = (0..<10).map { index in
                EtcdOperation.put(key: key("r/\(index)"), value: bytes("v\(index)"))
            }
            let put = try await client.transaction(EtcdTransaction(success: puts))
            let first = key("r/")
            let end = key("r0")
            let all = try await client.range(EtcdRangeRequest(key: first, rangeEnd: end))
            #expect(all.kvs.map(\.key) == (0..<10).map { key("r/\($0)") })
            #expect(all.kvs.map(\.value) == (0..<10).map { bytes("v\($0)") })
            #expect(all.count == 10 && !all.more)
            #expect(all.header?.date != nil)
            #expect((all.header?.revision ?? 0) >= put.header.revision)

            let some = try await client.range(
                EtcdRangeRequest(key: first, rangeEnd: end, limit: 3, keysOnly: true))
            #expect(some.kvs.map(\.key) == (0..<3).map { key("r/\($0)") })
            #expect(some.kvs.allSatisfy { $0.value.isEmpty })
            #expect(some.more && some.count == 10)

            let count = try await client.range(
                EtcdRangeRequest(key: first, rangeEnd: end, countOnly: true))
            #expect(count.kvs.isEmpty && count.count == 10)

            _ = try await client.transaction(
                EtcdTransaction(success: [.put(key: key("r/0"), value: bytes("newer"))]))
            let old = try await client.range(
                EtcdRangeRequest(key: key("r/0"), revision: put.header.revision))
            #expect(old.kvs.map(\.value) == [bytes("v0")])

            for endpoint in cluster.endpoints {
                try await eventually("the member's own copy to follow") {
                    let copy = try await client.range(
                        EtcdRangeRequest(key: key("r/0"), serializable: true),
                        options: EtcdRequestOptions(only: endpoint))
                    return copy.kvs.map(\.value) == [bytes("newer")]
                }
            }
            let nothing = try await client.range(EtcdRangeRequest(key: key("none")))
            #expect(nothing.kvs.isEmpty && nothing.count == 0 && !nothing.more)
        }
    }

    @Test("a transaction answers each of its operations, with every byte as it was")
    func operations() async throws {
        try await withClient { client, _ in
            let everyByte = (0..<256).map { UInt8($0) }
            let binary = key("binary/") + everyByte
            let put = try await client.transaction(
                EtcdTransaction(
                    success: [
                        .put(key: binary, value: everyByte), .put(key: key("empty"), value: []),
                    ]))
            #expect(put.succeeded && put.responses == [.put, .put])
            let read = try await client.transaction(
                EtcdTransaction(
                    success: [
                        .range(EtcdRangeRequest(key: binary)),
                        .range(EtcdRangeRequest(key: key("none"))),
                        .delete(key: key(""), rangeEnd: Array(key("").dropLast()) + [0x30]),
                        .delete(key: binary),
                    ]))
            guard read.responses.count == 4, case .range(let found) = read.responses[0],
                case .range(let nothing) = read.responses[1]
            else {
                Issue.record("not the responses to these operations")
                return
            }
            #expect(found.kvs.map(\.key) == [binary])
            #expect(found.kvs.map(\.value) == [everyByte])
            #expect(nothing.kvs.isEmpty)
            #expect(read.responses[2...] == [.delete(2), .delete(0)])
        }
    }

    @Test("an encoded transaction that compares succeeds once, however often it is sent")
    func encodedTransaction() async throws {
        try await withClient { client, _ in
            let encoded = EtcdEncodedTransaction(
                EtcdTransaction(
                    compares: [.createRevision(key: key("once"), equals: 0)],
                    success: [.put(key: key("once"), value: bytes("x"))],
                    failure: [.range(EtcdRangeRequest(key: key("once")))]))
            let first = try await client.transaction(encoded: encoded)
            let second = try await client.transaction(encoded: encoded)
            #expect(first.succeeded && !second.succeeded)
            guard case .range(let range)? = second.responses.first else {
                Issue.record("no range")
                return
            }
            #expect(range.kvs.first?.modRevision == first.header.revision)
        }
    }

    @Test("what etcd refuses is rejected, and not applied")
    func refusals() async throws {
        try await withClient { client, _ in
            let twice = EtcdTransaction(
                success: [.put(key: key("a"), value: [1]), .put(key: key("a"), value: [2])])
            let many = EtcdTransaction(
                success: (0..<129).map { .put(key: key("m\($0)"), value: []) })
            let huge = EtcdTransaction(
                success: [.put(key: key("a"), value: [UInt8](repeating: 0, count: 1_700_000))])
            let nameless = EtcdTransaction(success: [.put(key: [], value: [1])])
            for (transaction, code) in [
                (twice, EtcdErrorCode.invalidArgument), (many, .invalidArgument),
                (huge, .tooLarge), (nameless, .invalidArgument),
            ] {
                let error = await #expect(throws: EtcdError.self) {
                    _ = try await client.transaction(transaction)
                }
                #expect(error?.failureClass == .rejected)
                #expect(error?.code == code)
            }
            let found = try await client.range(EtcdRangeRequest(key: key("a")))
            #expect(found.kvs.isEmpty)
            let future = await #expect(throws: EtcdError.self) {
                _ = try await client.range(EtcdRangeRequest(key: key("a"), revision: .max / 2))
            }
            #expect(future?.failureClass == .rejected)
            #expect(future?.code == .outOfRange)
        }
    }

    @Test("leases are granted, kept alive and revoked, and a lost one is noticed")
    func leases() async throws {
        try await withClient { client, _ in
            let lease = try await client.grantLease(ttlSeconds: 30)
            #expect(lease.id != 0 && lease.ttlSeconds == 30)
            _ = try await client.transaction(
                EtcdTransaction(success: [.put(key: key("l"), value: [], lease: lease.id)]))
            #expect(
                try await client.range(EtcdRangeRequest(key: key("l"))).kvs[0].lease == lease.id)
            #expect(try await client.keepAliveLease(lease.id) == 30)
            try await client.revokeLease(lease.id)
            #expect(try await client.range(EtcdRangeRequest(key: key("l"))).kvs.isEmpty)
            #expect(try await client.keepAliveLease(lease.id) == nil)
            let error = await #expect(throws: EtcdError.self) {
                try await client.revokeLease(lease.id)
            }
            #expect(error?.failureClass == .rejected)
            #expect(error?.code == .notFound)
        }
    }

    @Test("a lease that is not kept alive expires")
    func expiry() async throws {
        try await withClient { client, _ in
            let lease = try await client.grantLease(ttlSeconds: 1)
            #expect(lease.ttlSeconds >= 1)
            _ = try await client.transaction(
                EtcdTransaction(success: [.put(key: key("l"), value: [], lease: lease.id)]))
            try await eventually("the lease's end") {
                try await client.range(EtcdRangeRequest(key: key("l"))).kvs.isEmpty
            }
            #expect(try await client.keepAliveLease(lease.id) == nil)
        }
    }

    @Test("the members' status agrees on cluster and leader, and there is no alarm")
    func status() async throws {
        try await withClient { client, cluster in
            var statuses: [EtcdMemberStatus] = []
            for endpoint in cluster.endpoints {
                let status = try await client.status(of: endpoint)
                #expect(status.endpoint == endpoint)
                #expect(status.version.hasPrefix("3."))
                #expect(status.dbSize > 0 && status.raftIndex > 0 && status.raftTerm > 0)
                #expect(status.errors.isEmpty && !status.isLearner)
                let date = try #require(status.date)
                #expect(date > 1_700_000_000)
                statuses.append(status)
            }
            #expect(Set(statuses.map(\.clusterID)).count == 1)
            #expect(Set(statuses.map(\.memberID)).count == 3)
            #expect(statuses.filter(\.isLeader).count == 1)
            #expect(try await client.alarms().isEmpty)
        }
    }

    @Test("sixty-four requests at once share one connection")
    func multiplexing() async throws {
        let statistics = try await withClient { client, cluster in
            let only = EtcdRequestOptions(only: cluster.endpoints[0])
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<64 {
                    group.addTask {
                        try await client.transaction(
                            EtcdTransaction(success: [.put(key: key("c\(index)"), value: [])]),
                            options: only
                        ).succeeded
                    }
                }
                for try await succeeded in group { #expect(succeeded) }
            }
            return client.poolStatistics
        }
        #expect(statistics.active + statistics.idle == 1)
        #expect(statistics.maxConnections == 25)
    }

    @Test("megabytes come back as they went")
    func largeValues() async throws {
        try await withClient { client, _ in
            var random = ReplayableRandom(seed: 20)
            let values = (0..<4).map { _ in
                (0..<1_000_000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            }
            for (index, value) in values.enumerated() {
                _ = try await client.transaction(
                    EtcdTransaction(success: [.put(key: key("big/\(index)"), value: value)]))
            }
            let found = try await client.range(
                EtcdRangeRequest(key: key("big/"), rangeEnd: key("big0")))
            #expect(found.kvs.map(\.value) == values)
        }
    }

    @Test("an observer hears of each request and its result")
    func observer() async throws {
        let cluster = try await EtcdCluster.shared()
        let observer = RecordingObserver()
        let client = try EtcdClient(
            configuration: cluster.configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, observer: observer)
        _ = try await client.range(
            EtcdRangeRequest(key: key("a")), options: .init(timeout: .seconds(20)))
        _ = try? await client.transaction(EtcdTransaction(success: [.put(key: [], value: [])]))
        _ = try? await client.alarms(options: EtcdRequestOptions(timeout: .zero))
        await client.shutdown()
        #expect(observer.results == ["range ok", "txn rejected", "alarm not_sent"])
    }
}
