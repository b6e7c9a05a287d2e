import EtcdGateway
import Foundation
import LedgerAPI
import Logging
import TestSupport
import Testing

@testable import EtcdHealth
@testable import LedgerServer

@Suite("What etcd refuses lastingly, as health shows it")
struct ShownTroublesTests {
    @Test("a member that refuses, or has raised an alarm, says so")
    func members() {
        var member = EtcdMemberHealth(endpoint: EtcdSamples.endpoint(1))
        let password = EtcdError(
            failureClass: .rejected, code: .unauthenticated,
            message: "etcdserver: authentication failed")
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
