import EtcdGateway
import Foundation
import LedgerAPI
import LedgerCore
import LedgerTransparency
import SwiftProtobuf
import TestSupport
import Testing

@testable import EtcdHealth
@testable import LedgerServer

@Suite("Health report")
struct HealthAnswerTests {
    private func member(
        _ port: Int, _ result: Result<EtcdMemberStatus, EtcdError>? = nil
    ) -> EtcdMemberHealth {
        let endpoint = EtcdSamples.endpoint(port)
        var member = EtcdMemberHealth(endpoint: endpoint)
        member.record(
            result ?? .success(EtcdSamples.status(of: endpoint)), after: .microseconds(1500),
            at: Date(timeIntervalSince1970: 1_700_000_000))
        return member
    }

    private func report(
        _ state: ServingState, reads: Bool = true, _ members: [EtcdMemberHealth],
        further: [Ledger_DependencyHealth] = []
    ) -> HealthAnswer {
        HealthAnswer(
            status: LedgerStatus(state: state, readsServed: reads), members: members,
            pool: EtcdPoolStatistics(maxConnections: 25, active: 1, idle: 2, waitCount: 3),
            further: further)
    }

    @Test(
        "State and dependencies make the overall status",
        arguments: [
            (ServingState.serving, true, true, Ledger_ServiceStatus.healthy),
            (.serving, true, false, .degraded), (.readOnly, true, true, .degraded),
            (.fenced, true, true, .degraded), (.readOnly, false, true, .unhealthy),
            (.fenced, false, true, .unhealthy), (.serving, false, true, .unhealthy),
            (.starting, false, true, .unhealthy), (.starting, true, true, .degraded),
            (.stopping, true, true, .unhealthy),
        ])
    func overall(
        _ state: ServingState, _ reads: Bool, _ memberIsWell: Bool,
        _ expected: Ledger_ServiceStatus
    ) {
        let second = memberIsWell ? member(2) : member(2, .failure(EtcdSamples.unreachable()))
        let report = report(state, reads: reads, [member(1), second, member(3)])
        #expect(report.overall == expected)
        #expect(!report.message.isEmpty)
    }

    @Test("A member's entry has every field")
    func dependency() throws {
        let entry = try #require(report(.serving, [member(2379), member(2380)]).dependencies.first)
        #expect(entry.name == "etcd/127.0.0.1:2379")
        #expect(entry.type == .database)
        #expect(entry.status == .healthy)
        #expect(!entry.isCritical)
        #expect(entry.error.isEmpty)
        #expect(entry.config.hostname == "127.0.0.1")
        #expect(entry.config.port == 2379)
        #expect(entry.config.protocol == "https")
        #expect(entry.config.poolInfo.maxConnections == 25)
        #expect(entry.config.poolInfo.activeConnections == 1)
        #expect(entry.config.poolInfo.idleConnections == 2)
        #expect(entry.config.poolInfo.waitCount == 3)
        #expect(
            entry.metadata == [
                "version": "3.5.21", "db_size": "20480", "leader": "abc", "raft_term": "7",
                "member_id": "94b",
            ])
        #expect(entry.lastCheck == "2023-11-14T22:13:20.000Z")
        #expect(entry.responseTimeMs == 2)
    }

    @Test("A member alone is critical, one of several is not")
    func critical() {
        #expect(report(.serving, [member(1)]).dependencies.map(\.isCritical) == [true])
        #expect(
            report(.serving, [member(1), member(2)]).dependencies.map(\.isCritical)
                == [false, false])
    }

    @Test("An unreachable member is told by the class of its error, without details")
    func unreachable() throws {
        let report = report(
            .serving, [member(1, .failure(EtcdSamples.unreachable(.tls))), member(2)])
        let entry = try #require(report.dependencies.first)
        #expect(entry.status == .unhealthy)
        #expect(entry.error == "tls")
        let text = try entry.jsonString()
        #expect(!text.contains("secret"))
    }

    @Test("What the audit found makes it degraded, and the message says what and where")
    func audit() {
        var audited = AuditReport()
        #expect(audited.dependency.status == .healthy && audited.alarm == nil)
        audited.note(
            VerificationFinding(
                sequenceNumber: 17, kind: .linkBroken, expected: "a", actual: "b"))
        let report = HealthAnswer(
            status: LedgerStatus(state: .serving, readsServed: true), members: [member(1)],
            pool: nil, further: [audited.dependency], alarm: audited.alarm)
        #expect(report.overall == .degraded)
        #expect(report.message.contains("link_broken at number 17"))
        #expect(report.dependencies.last?.name == "audit")
        #expect(report.dependencies.last?.error == "link_broken")
        #expect(report.dependencies.last?.message.contains("number 17") == true)
    }

    @Test("Further dependencies count as well")
    func further() {
        let sealer = Ledger_DependencyHealth.with {
            $0.name = "sealer"
            $0.type = .grpcService
            $0.status = .unhealthy
        }
        let report = report(.serving, [member(1)], further: [sealer])
        #expect(report.dependencies.map(\.name) == ["etcd/127.0.0.1:1", "sealer"])
        #expect(report.overall == .degraded)
    }
}
