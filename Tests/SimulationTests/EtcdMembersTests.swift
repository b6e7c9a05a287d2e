import EtcdGateway
import LedgerCore
import Testing

@testable import LedgerStore

@Suite("etcd's members")
struct EtcdMembersTests {
    private let endpoints = (1...6).map {
        EtcdEndpoint(scheme: .https, host: "127.0.0.1", port: $0)
    }

    private func at(_ seconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
    }

    /// At one second for ever.
    private func members() -> EtcdMembers {
        let now = at(1)
        return EtcdMembers(endpoints: endpoints) { now }
    }

    @Test("a member that is listed under two addresses is one member")
    func distinct() {
        let members = members()
        #expect(members.count == 6)
        for (place, endpoint) in endpoints.enumerated() {
            members.note(UInt64(place % 3 + 1), at: endpoint)
        }
        #expect(members.count == 3)
        // One is replaced by another.
        members.note(9, at: endpoints[0])
        members.note(9, at: endpoints[3])
        #expect(members.count == 3)
    }

    @Test("protocol.md 15: all addresses of a member with an open transmission are avoided")
    func aliases() {
        let members = members()
        for (place, endpoint) in endpoints.enumerated() {
            members.note(UInt64(place % 3 + 1), at: endpoint)
        }
        let first = members.beginTransmission()
        members.sent(first, to: endpoints[0])
        #expect(members.avoided.isEmpty)
        members.doubtOpenTransmissions()
        #expect(members.avoided == [endpoints[0], endpoints[3]])
        #expect(members.beginTransmission().avoiding == [endpoints[0], endpoints[3]])
        members.ended(
            first,
            EtcdError(failureClass: .unknown, code: .timeout, message: ""))
        #expect(members.avoided == [endpoints[0], endpoints[3]])
        // It answers at its other address.
        members.answered(endpoints[3], askedAt: at(2))
        #expect(members.avoided.isEmpty)
    }

    @Test("a member that refuses, or says that it has no space, is not avoided")
    func settled() {
        let members = members()
        let errors = [
            EtcdError(failureClass: .rejected, code: .permissionDenied, message: ""),
            EtcdError(failureClass: .notSent, code: .connect, message: ""),
            EtcdError(failureClass: .unknown, code: .noSpace, message: ""),
        ]
        for error in errors {
            let transmission = members.beginTransmission()
            members.sent(transmission, to: endpoints[0])
            members.ended(transmission, error)
            #expect(members.avoided.isEmpty, "\(error)")
        }
    }
}
