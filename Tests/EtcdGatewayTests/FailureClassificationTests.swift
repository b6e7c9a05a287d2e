import HTTPTransport
import Testing

@testable import EtcdGateway

@Suite("FailureClassification")
struct FailureClassificationTests {
    private let endpoint = EtcdEndpoint(scheme: .https, host: "etcd", port: 2379)

    private func error(
        _ status: Int, _ code: Int, _ message: String,
        _ operation: EtcdCall.Operation = .transaction
    ) -> EtcdError {
        let body = #"{"error":"\#(message)","message":"\#(message)","code":\#(code)}"#
        return FailureClassification.error(
            for: HTTPAnswer(status: status, body: Array(body.utf8)), operation: operation,
            endpoint: endpoint)
    }

    @Test(
        "a parsed 400, 401 or 403 refuses the transmission; everything else is unknown",
        arguments: [
            (
                400, 3, "etcdserver: duplicate key given in txn request", EtcdFailureClass.rejected,
                EtcdErrorCode.invalidArgument
            ),
            (400, 3, "etcdserver: request is too large", .rejected, .tooLarge),
            (400, 3, "etcdserver: user name is empty", .rejected, .unauthenticated),
            (400, 3, "etcdserver: revision of auth store is old", .rejected, .unauthenticated),
            (
                400, 3, "etcdserver: authentication failed, invalid user ID or password", .rejected,
                .unauthenticated
            ),
            (400, 9, "etcdserver: authentication is not enabled", .rejected, .invalidArgument),
            (
                400, 11, "etcdserver: mvcc: required revision has been compacted", .rejected,
                .outOfRange
            ),
            (401, 16, "etcdserver: invalid auth token", .rejected, .unauthenticated),
            (403, 7, "etcdserver: permission denied", .rejected, .permissionDenied),
            (404, 5, "etcdserver: requested lease not found", .unknown, .notFound),
            (429, 8, "etcdserver: mvcc: database space exceeded", .unknown, .noSpace),
            (429, 8, "etcdserver: too many requests", .unknown, .unavailable),
            (429, 8, "grpc: received message larger than max (3 vs. 2)", .unknown, .tooLarge),
            (408, 1, "context canceled", .unknown, .cancelled),
            (500, 2, "context deadline exceeded", .unknown, .unavailable),
            (503, 14, "etcdserver: request timed out", .unknown, .unavailable),
            (504, 4, "context deadline exceeded", .unknown, .timeout),
            (302, 3, "a redirection", .unknown, .invalidArgument),
        ])
    func answers(
        status: Int, code: Int, message: String, failureClass: EtcdFailureClass,
        errorCode: EtcdErrorCode
    ) {
        let error = error(status, code, message)
        #expect(error.failureClass == failureClass)
        #expect(error.code == errorCode)
        #expect(error.httpStatus == status)
        #expect(error.grpcCode == code)
        #expect(error.endpoint == endpoint)
    }

    @Test("looking for a lease that is gone is certainly refused")
    func unknownLease() {
        for operation in [EtcdCall.Operation.leaseRevoke, .leaseKeepAlive] {
            let error = error(404, 5, "etcdserver: requested lease not found", operation)
            #expect(error.failureClass == .rejected)
            #expect(error.code == .notFound)
        }
    }

    @Test(
        "a refusal whose body is not etcd's is believed by nobody",
        arguments: [
            400, 401, 403, 429, 500, 503,
        ])
    func unparsed(status: Int) {
        for body in [
            "", "{}", "<html>Bad Request</html>", #"{"code":3}"#, #"{"code":3,"error":"x""#,
        ] {
            let error = FailureClassification.error(
                for: HTTPAnswer(status: status, body: Array(body.utf8)), operation: .transaction,
                endpoint: endpoint)
            #expect(error.failureClass == .unknown, "\(status) \(body)")
        }
    }

    @Test("3.6 answers with a message and details, and is understood")
    func newerForm() {
        let body = #"{"code":16, "message":"etcdserver: invalid auth token", "details":[]}"#
        let error = FailureClassification.error(
            for: HTTPAnswer(status: 401, body: Array(body.utf8)), operation: .range,
            endpoint: endpoint)
        #expect(error.failureClass == .rejected)
        #expect(error.code == .unauthenticated)
    }

    @Test(
        "a transfer that broke is harmless only before its body was offered",
        arguments: [
            (6, EtcdErrorCode.connect), (7, .connect), (35, .tls), (58, .tls), (60, .tls),
            (28, .timeout), (18, .connectionLost), (52, .connectionLost), (55, .connectionLost),
            (56, .connectionLost), (65, .connectionLost), (92, .connectionLost),
            (42, .connectionLost),
        ])
    func curlCodes(number: Int, code: EtcdErrorCode) {
        for offered in [false, true] {
            let error = FailureClassification.error(
                for: TransferFailure(
                    reason: .curl(number), wasOffered: offered, message: "broken"),
                endpoint: endpoint)
            #expect(error.failureClass == (offered ? .unknown : .notSent))
            #expect(error.code == code)
        }
    }

    @Test("deadlines, cancellation, shutdown and long answers keep the same rule")
    func otherReasons() {
        let reasons: [(TransferFailure.Reason, EtcdErrorCode)] = [
            (.deadline, .timeout), (.cancelled, .cancelled), (.shutDown, .shutDown),
            (.answerTooLong, .tooLarge), (.malformedRequest, .invalidArgument),
        ]
        for (reason, code) in reasons {
            for offered in [false, true] {
                let error = FailureClassification.error(
                    for: TransferFailure(reason: reason, wasOffered: offered, message: ""),
                    endpoint: endpoint)
                #expect(error.failureClass == (offered ? .unknown : .notSent))
                #expect(error.code == code)
            }
        }
    }

    @Test(
        "a client certificate with a CommonName is refused in plain text, before anything is done")
    func commonName() {
        let text =
            "CommonName of client sending a request against gateway will be ignored and not used "
            + "as expected"
        let error = FailureClassification.error(
            for: HTTPAnswer(status: 400, body: Array("\(text)\n".utf8)), operation: .transaction,
            endpoint: endpoint)
        #expect(error.failureClass == .rejected)
        #expect(error.code == .unauthenticated)
        #expect(error.message == text)
    }

    @Test("a long refusal is cut")
    func longMessage() {
        let error = error(400, 3, String(repeating: "x", count: 5_000))
        #expect(error.message.count == 200)
    }
}
