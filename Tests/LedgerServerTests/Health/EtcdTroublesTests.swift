import EtcdGateway
import Foundation
import LedgerAPI
import Logging
import Synchronization
import Testing

@testable import LedgerServer

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
        let troubles = EtcdTroubles(
            metrics: LedgerMetrics(), hasUser: true,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { now.withLock { $0 } }
        let password = error(.unauthenticated, "etcdserver: authentication failed")
        let denied = error(.permissionDenied, "etcdserver: permission denied")
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

    @Test("a member that refuses, or has raised an alarm, says so")
    func members() {
        var member = EtcdMemberHealth(endpoint: EtcdSamples.endpoint(1))
        let password = error(.unauthenticated, "etcdserver: authentication failed")
        member.record(.failure(password), after: .zero, at: Date())
        let full = EtcdSamples.status(of: member.endpoint, errors: ["memberID:7 alarm:NOSPACE "])
        let report = { (member: EtcdMemberHealth) in
            HealthAnswer(
                status: LedgerStatus(state: .serving, readsServed: true), members: [member],
                pool: nil, further: []
            ).dependencies[0]
        }
        #expect(report(member).status == .unhealthy)
        #expect(report(member).error == "wrong_password")
        #expect(report(member).message.contains("etcdserver: authentication failed"))
        member.record(.success(full), after: .zero, at: Date())
        #expect(report(member).status == .degraded)
        #expect(report(member).error == "no_space")
        #expect(report(member).message.contains("disarm the alarm"))
        #expect(!report(member).message.contains("memberID"))
    }

    @Test("it takes the place of what the replica can say of itself")
    func shown() async {
        let board = StatusBoard()
        let reporter = HealthReporter(
            board: board,
            monitor: EtcdHealthMonitor(
                endpoints: [], interval: .seconds(30), pingTimeout: .seconds(1),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                probe: { endpoint, _ throws(EtcdError) in EtcdSamples.status(of: endpoint) }),
            trouble: { EtcdTrouble(.wrongPassword, sentence: "no") })
        #expect(reporter.status.message.contains("ETCD_PASSWORD"))
        #expect(await reporter.health().message.contains("ETCD_PASSWORD"))
        let pages = AdminPages(reporter: reporter, registry: LedgerMetrics().registry)
        let page = await pages.get("/readyz")
        #expect(page.status == 503)
        if case .bytes(let bytes) = page.body {
            #expect(String(decoding: bytes, as: UTF8.self).contains("ETCD_PASSWORD"))
        } else {
            Issue.record("/readyz is not a line of text")
        }
        board.update(LedgerStatus(state: .fenced, readsServed: true, message: "rolled back"))
        #expect(reporter.status.message == "rolled back")
    }
}
