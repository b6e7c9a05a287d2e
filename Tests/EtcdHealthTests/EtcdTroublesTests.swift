import EtcdGateway
import Foundation
import Logging
import Synchronization
import Testing

@testable import EtcdHealth

@Suite("What etcd refuses lastingly")
struct EtcdTroublesTests {
    private func error(_ code: EtcdErrorCode, _ message: String) -> EtcdError {
        EtcdError(failureClass: .rejected, code: code, message: message)
    }

    @Test(
        "each is told from the others, in etcd's own words and with what to do",
        arguments: [
            (
                EtcdErrorCode.unauthenticated,
                "etcdserver: authentication failed, invalid user ID or password",
                EtcdTrouble.Kind.wrongPassword, "ETCD_PASSWORD"
            ),
            (.unauthenticated, "etcdserver: user name is empty", .noUser, "set ETCD_USERNAME"),
            (
                .unauthenticated,
                "CommonName of client sending a request against gateway will be ignored and not "
                    + "used as expected", .certificateWithName, "ETCD_CLIENT_CERT"
            ),
            (.permissionDenied, "etcdserver: permission denied", .mayNotRead, "grant the role"),
            (
                .noSpace, "etcdserver: mvcc: database space exceeded", .noSpace,
                "--quota-backend-bytes"
            ),
        ])
    func kinds(
        code: EtcdErrorCode, message: String, kind: EtcdTrouble.Kind, remedy: String
    ) throws {
        let trouble = try #require(EtcdTrouble(error(code, message), of: .read))
        #expect(trouble.kind == kind)
        #expect("\(trouble)".contains(message))
        #expect("\(trouble)".contains(remedy))
    }

    @Test("without a user, a denied permission is that there is no user")
    func denied() {
        let denied = error(.permissionDenied, "etcdserver: permission denied")
        #expect(EtcdTrouble(denied, of: .read, hasUser: false)?.kind == .noUser)
        #expect(EtcdTrouble(denied, of: .write)?.kind == .mayNotWrite)
    }

    @Test("what may pass by itself is none, and a text of this machine is not shown")
    func others() throws {
        for code in [
            EtcdErrorCode.timeout, .connect, .connectionLost, .unavailable, .malformedAnswer,
            .invalidArgument,
        ] {
            #expect(EtcdTrouble(error(code, "authentication failed"), of: .read) == nil)
        }
        let stale = error(.unauthenticated, "etcdserver: revision of auth store is old")
        #expect(EtcdTrouble(stale, of: .read) == nil)
        let tls = try #require(EtcdTrouble(error(.tls, "/secret/path"), of: .read))
        #expect(!"\(tls)".contains("secret"))
    }

    @Test("it lasts until etcd does what it refused, or a while")
    func lasting() {
        let now = Mutex(ContinuousClock.now)
        let counted = Mutex<[String]>([])
        let troubles = EtcdTroubles(
            hasUser: true, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: { now.withLock { $0 } },
            count: { operation, result, duration in
                counted.withLock { $0.append("\(operation) \(result) \(duration)") }
            })
        let password = error(.unauthenticated, "etcdserver: authentication failed")
        let denied = error(.permissionDenied, "etcdserver: permission denied")
        troubles.etcdRequestEnded(operation: "range", result: "ok", duration: .seconds(2))
        #expect(counted.withLock { $0 } == ["range ok 2.0 seconds"])
        #expect(troubles.current == nil)
        troubles.etcdRequestEnded(.read, password)
        troubles.etcdRequestEnded(.write, password)
        #expect(troubles.current?.kind == .wrongPassword)
        // A status needs no user: it proves nothing.
        troubles.etcdRequestEnded(.other, nil)
        #expect(troubles.current?.kind == .wrongPassword)
        troubles.etcdRequestEnded(.read, nil)
        #expect(troubles.current == nil)
        troubles.etcdRequestEnded(.write, denied)
        troubles.etcdRequestEnded(.read, nil)
        #expect(troubles.current?.kind == .mayNotWrite)
        troubles.etcdRequestEnded(.write, error(.timeout, ""))
        #expect(troubles.current?.kind == .mayNotWrite)
        now.withLock { $0 = $0.advanced(by: .seconds(31)) }
        #expect(troubles.current == nil)
        troubles.etcdRequestEnded(.write, denied)
        troubles.etcdRequestEnded(.write, nil)
        #expect(troubles.current == nil)
        troubles.etcdRequestEnded(.read, error(.cancelled, ""))
        #expect(troubles.current == nil)
    }
}
