import Testing
import TextFormats

@testable import EtcdGateway

@Suite("RequestEncoding")
struct RequestEncodingTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("writes a range with what differs from the default")
    func range() {
        let plain = EtcdRangeRequest(key: Array("a".utf8))
        #expect(text(RequestEncoding.range(plain)) == #"{"key":"YQ=="}"#)
        let full = EtcdRangeRequest(
            key: Array("a".utf8), rangeEnd: Array("b".utf8), limit: 7, serializable: true,
            keysOnly: true, countOnly: true, revision: 9_007_199_254_740_993)
        #expect(
            text(RequestEncoding.range(full))
                == #"{"key":"YQ==","range_end":"Yg==","limit":"7","revision":"9007199254740993","#
                + #""serializable":true,"keys_only":true,"count_only":true}"#)
    }

    @Test("writes a transaction with every comparison and operation")
    func transaction() {
        let key = Array("k".utf8)
        let transaction = EtcdTransaction(
            compares: [
                .modRevision(key: key, equals: 0), .createRevision(key: key, equals: 1),
                .version(key: key, equals: 2), .value(key: key, equals: Array("v".utf8)),
                .lease(key: key, equals: .max),
            ],
            success: [
                .put(key: key, value: []), .put(key: key, value: Array("v".utf8), lease: 5),
            ],
            failure: [
                .range(EtcdRangeRequest(key: key)), .delete(key: key),
                .delete(key: key, rangeEnd: Array("l".utf8)),
            ])
        #expect(
            text(RequestEncoding.transaction(transaction))
                == #"{"compare":["#
                + #"{"result":"EQUAL","target":"MOD","key":"aw==","mod_revision":"0"},"#
                + #"{"result":"EQUAL","target":"CREATE","key":"aw==","create_revision":"1"},"#
                + #"{"result":"EQUAL","target":"VERSION","key":"aw==","version":"2"},"#
                + #"{"result":"EQUAL","target":"VALUE","key":"aw==","value":"dg=="},"#
                + #"{"result":"EQUAL","target":"LEASE","key":"aw==","#
                + #""lease":"9223372036854775807"}],"#
                + #""success":[{"request_put":{"key":"aw==","value":""}},"#
                + #"{"request_put":{"key":"aw==","value":"dg==","lease":"5"}}],"#
                + #""failure":[{"request_range":{"key":"aw=="}},"#
                + #"{"request_delete_range":{"key":"aw=="}},"#
                + #"{"request_delete_range":{"key":"aw==","range_end":"bA=="}}]}"#)
    }

    @Test("writes an empty transaction")
    func emptyTransaction() {
        #expect(
            text(RequestEncoding.transaction(EtcdTransaction()))
                == #"{"compare":[],"success":[],"failure":[]}"#)
    }

    @Test("encodes a transaction once: the bytes stay the same")
    func encodedTransaction() {
        let transaction = EtcdTransaction(
            success: [.put(key: [1], value: [2])], failure: [.delete(key: [1])])
        let encoded = EtcdEncodedTransaction(transaction)
        #expect(encoded.body == RequestEncoding.transaction(transaction))
        #expect(encoded.byteCount == encoded.body.count)
        #expect(encoded.transaction == transaction)
    }

    @Test("writes the small requests")
    func smallRequests() {
        #expect(text(RequestEncoding.leaseGrant(ttlSeconds: 3)) == #"{"TTL":"3"}"#)
        #expect(text(RequestEncoding.lease(id: -4)) == #"{"ID":"-4"}"#)
        #expect(text(RequestEncoding.status()) == "{}")
        #expect(text(RequestEncoding.alarms()) == #"{"action":"GET"}"#)
    }

    @Test("escapes user names and passwords")
    func authenticate() throws {
        let body = RequestEncoding.authenticate(username: "a\"b\\", password: "\n\u{01}é/\u{1f}")
        #expect(
            text(body)
                == #"{"name":"a\"b\\","password":"\u000a\u0001é/\u001f"}"#)
        var reader = JSONReader(body)
        var fields: [String: String] = [:]
        try reader.object { name, reader throws(JSONFailure) in
            fields[name] = try reader.string()
        }
        #expect(fields == ["name": "a\"b\\", "password": "\n\u{01}é/\u{1f}"])
    }
}
