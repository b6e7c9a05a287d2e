import Testing
import TextFormats

@testable import EtcdGateway

@Suite("ResponseDecoding")
struct ResponseDecodingTests {
    private let decoding = ResponseDecoding(
        endpoint: EtcdEndpoint(scheme: .https, host: "etcd", port: 2379), date: 1_700_000_000)

    private static let header =
        #""header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","#
        + #""revision":"42","raft_term":"3"}"#

    private static let keyValue =
        #"{"key":"Zm9v","create_revision":"2","mod_revision":"42","version":"7","value":"YmFy"}"#

    private static let range = "{\(header),\"kvs\":[\(keyValue)],\"more\":true,\"count\":\"3\"}"

    private static let transaction =
        "{\(header),\"succeeded\":true,\"responses\":["
        + "{\"response_put\":{\"header\":{\"revision\":\"42\"}}},"
        + "{\"response_range\":{\"header\":{\"revision\":\"42\"},\"kvs\":[\(keyValue)],"
        + "\"count\":\"1\"}},"
        + "{\"response_delete_range\":{\"header\":{\"revision\":\"42\"},\"deleted\":\"2\"}}]}"

    private static let kinds: [EtcdOperationKind] = [.put, .range, .delete]

    @Test("reads a range whole")
    func range() throws {
        let response = try decoding.range(Array(Self.range.utf8))
        let header = EtcdResponseHeader(
            clusterID: 14_841_639_068_965_178_418, memberID: 10_276_657_743_932_975_437,
            revision: 42, raftTerm: 3, date: 1_700_000_000, endpoint: decoding.endpoint)
        #expect(
            response
                == EtcdRangeResponse(
                    header: header,
                    kvs: [
                        EtcdKeyValue(
                            key: Array("foo".utf8), value: Array("bar".utf8), createRevision: 2,
                            modRevision: 42, version: 7, lease: 0)
                    ],
                    more: true, count: 3))
    }

    @Test("takes what is left out as zero, false and empty")
    func emptyRange() throws {
        let response = try decoding.range(Array("{\(Self.header)}".utf8))
        #expect(response.kvs.isEmpty && !response.more && response.count == 0)
    }

    @Test("reads a transaction whole")
    func transaction() throws {
        let response = try decoding.transaction(
            Array(Self.transaction.utf8), successKinds: Self.kinds, failureKinds: [])
        #expect(response.succeeded)
        #expect(response.header.revision == 42)
        #expect(response.responses.map(\.kind) == Self.kinds)
        guard case .range(let range) = response.responses[1],
            case .delete(let deleted) = response.responses[2]
        else {
            Issue.record("the responses are of other kinds")
            return
        }
        #expect(range.kvs.map(\.value) == [Array("bar".utf8)])
        #expect(deleted == 2)
    }

    @Test("without `succeeded`, a transaction did not succeed")
    func failedTransaction() throws {
        let response = try decoding.transaction(
            Array("{\(Self.header)}".utf8), successKinds: Self.kinds, failureKinds: [])
        #expect(!response.succeeded && response.responses.isEmpty)
    }

    @Test("refuses responses that do not fit the operations of the branch")
    func responsesOfTheWrongBranch() {
        let body = Array(Self.transaction.utf8)
        for wrong: [EtcdOperationKind] in [
            [], [.put, .range], [.range, .put, .delete], [.put, .range, .delete, .put],
        ] {
            #expect(throws: JSONFailure.self) {
                try decoding.transaction(body, successKinds: wrong, failureKinds: Self.kinds)
            }
        }
    }

    @Test("refuses an answer that ends early, wherever it ends")
    func truncated() {
        let range = Array(Self.range.utf8)
        for end in 0..<range.count {
            #expect(throws: JSONFailure.self) { try decoding.range(Array(range[..<end])) }
        }
        let transaction = Array(Self.transaction.utf8)
        for end in 0..<transaction.count {
            #expect(throws: JSONFailure.self) {
                try decoding.transaction(
                    Array(transaction[..<end]), successKinds: Self.kinds, failureKinds: [])
            }
        }
    }

    @Test(
        "refuses a range that is not what etcd sends",
        arguments: [
            #"{}"#, #"[]"#, #"null"#, #""text""#, #"<html></html>"#, #"{"header":{}}x"#,
            #"{"header":[]}"#, #"{"header":{"revision":42}}"#, #"{"header":{"revision":"-"}}"#,
            #"{"header":{"member_id":"-1"}}"#, #"{"header":{},"kvs":{}}"#,
            #"{"header":{},"kvs":[1]}"#,
            #"{"header":{},"count":3}"#, #"{"header":{},"more":"true"}"#,
            #"{"header":{},"header":{}}"#,
        ])
    func refusesRange(text: String) {
        #expect(throws: JSONFailure.self) { try decoding.range(Array(text.utf8)) }
    }

    @Test(
        "refuses a key that lacks what every key has, or was not counted",
        arguments: [
            ("", ""),
            (#""key":"Zg","create_revision":"1","mod_revision":"1","version":"1""#, "1"),
            (#""key":"Zg==","create_revision":"1","mod_revision":"1""#, "1"),
            (#""create_revision":"1","mod_revision":"1","version":"1""#, "1"),
            (#""key":"Zg==","create_revision":"2","mod_revision":"1","version":"1""#, "1"),
            (#""key":"Zg==","create_revision":"1","mod_revision":"1","version":"1""#, "0"),
        ])
    func refusesKey(fields: String, count: String) {
        let text = "{\"header\":{},\"count\":\"\(count)\",\"kvs\":[{\(fields)}]}"
        #expect(throws: JSONFailure.self) { try decoding.range(Array(text.utf8)) }
    }

    @Test("reads the key that those differ from")
    func acceptsKey() throws {
        let text =
            #"{"header":{},"count":"1","kvs":"#
            + #"[{"key":"Zg==","create_revision":"1","mod_revision":"1","version":"1"}]}"#
        #expect(try decoding.range(Array(text.utf8)).kvs.count == 1)
    }

    @Test(
        "refuses a transaction's answer that is not what etcd sends",
        arguments: [
            #"{"succeeded":true,"responses":[{"response_put":{}}]}"#,
            #"{"header":{},"succeeded":"true","responses":[{"response_put":{}}]}"#,
            #"{"header":{},"succeeded":true,"responses":[{}]}"#,
            #"{"header":{},"succeeded":true,"responses":[{"response_put":{},"response_txn":1},2]}"#,
            #"{"header":{},"succeeded":true,"responses":{"response_put":{}}}"#,
            #"{"header":{},"succeeded":true,"responses":[{"response_put":[]}]}"#,
            #"{"header":{},"succeeded":true,"responses":[{"response_txn":{}}]}"#,
            #"{"header":{},"succeeded":true}"#,
        ])
    func refusesTransaction(text: String) {
        #expect(throws: JSONFailure.self) {
            try decoding.transaction(
                Array(text.utf8), successKinds: [.put], failureKinds: [])
        }
    }

    @Test("passes over fields it does not know")
    func unknownFields() throws {
        let text = "{\"future\":{\"a\":[1,null]},\(Self.header),\"count\":\"0\"}"
        #expect(try decoding.range(Array(text.utf8)).header?.revision == 42)
    }

    @Test("reads leases")
    func leases() throws {
        let granted = try decoding.leaseGrant(
            Array("{\(Self.header),\"ID\":\"7\",\"TTL\":\"3\"}".utf8))
        #expect(granted == EtcdLease(id: 7, ttlSeconds: 3))
        let alive = "{\"result\":{\(Self.header),\"ID\":\"7\",\"TTL\":\"3\"}}\n"
        #expect(try decoding.leaseKeepAlive(Array(alive.utf8), id: 7) == 3)
        let expired = "{\"result\":{\(Self.header),\"ID\":\"7\"}}\n"
        #expect(try decoding.leaseKeepAlive(Array(expired.utf8), id: 7) == nil)
        for wrong in [
            "{\"result\":{\"ID\":\"8\"}}", "{}", "{\"error\":{\"code\":1}}", alive + alive,
        ] {
            #expect(throws: JSONFailure.self) {
                try decoding.leaseKeepAlive(Array(wrong.utf8), id: 7)
            }
        }
        #expect(throws: JSONFailure.self) {
            try decoding.leaseGrant(Array("{\(Self.header)}".utf8))
        }
    }

    @Test("reads a member's status and the alarms")
    func maintenance() throws {
        let text =
            "{\(Self.header),\"version\":\"3.5.21\",\"dbSize\":\"20480\","
            + "\"leader\":\"10276657743932975437\",\"raftIndex\":\"9\",\"raftTerm\":\"3\","
            + "\"errors\":[\"memberID:1 alarm:NOSPACE \"],\"isLearner\":true,\"dbSizeInUse\":\"1\"}"
        let status = try decoding.status(Array(text.utf8))
        #expect(status.version == "3.5.21")
        #expect(status.isLeader)
        #expect(status.isLearner)
        #expect(status.dbSize == 20480 && status.raftIndex == 9 && status.raftTerm == 3)
        #expect(status.errors == ["memberID:1 alarm:NOSPACE "])
        #expect(status.date == 1_700_000_000)
        let alarms =
            "{\(Self.header),\"alarms\":[{\"memberID\":\"5\",\"alarm\":\"NOSPACE\"},"
            + "{\"alarm\":\"CORRUPT\"},{\"memberID\":\"6\",\"alarm\":\"NEW\"}]}"
        #expect(
            try decoding.alarms(Array(alarms.utf8)) == [
                EtcdAlarm(memberID: 5, kind: .noSpace), EtcdAlarm(memberID: 0, kind: .corrupt),
                EtcdAlarm(memberID: 6, kind: .other("NEW")),
            ])
    }

    @Test(
        "refuses a token that could end its header line",
        arguments: [
            #"{"token":"a\r\nX: y"}"#, #"{"token":"a b"}"#, #"{"token":""}"#, #"{}"#,
            #"{"token":"é"}"#,
        ])
    func refusesToken(text: String) {
        #expect(throws: JSONFailure.self) { try decoding.token(Array(text.utf8)) }
    }

    @Test("reads a token")
    func token() throws {
        let text = "{\(Self.header),\"token\":\"QzbKLjgDIexqwfMt.16\"}"
        #expect(try decoding.token(Array(text.utf8)) == "QzbKLjgDIexqwfMt.16")
    }
}
