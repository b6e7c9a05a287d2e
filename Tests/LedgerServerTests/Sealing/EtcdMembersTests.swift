import EtcdGateway
import LedgerCore
import Testing

@testable import LedgerServer

@Suite("etcd's members")
struct EtcdMembersTests {
    private let endpoints = (1...6).map(EtcdSamples.endpoint)

    private func at(_ seconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
    }

    @Test("a member that is listed under two addresses is one member")
    func distinct() {
        let members = EtcdMembers(endpoints: endpoints)
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

    /// Samples are kept for a member: counted over addresses, there never was a majority.
    @Test("two samples of three members listed twice are a majority")
    func majority() {
        let members = EtcdMembers(endpoints: endpoints)
        let clock = SystemClock(maxSkewMilliseconds: 5_000, members: members)
        for (place, endpoint) in endpoints.enumerated() {
            members.note(UInt64(place % 3 + 1), at: endpoint)
        }
        #expect(clock.moment.wall == .unsampled)
        for member in UInt64(1)...2 {
            clock.record(
                memberID: member, dateSeconds: clock.wallMilliseconds / 1_000, roundTrip: .zero)
        }
        #expect(clock.moment.wall.isTrusted)
    }

    @Test("clocks that disagree are told from clocks that were not asked")
    func disagreeing() {
        let members = EtcdMembers(endpoints: [endpoints[0]])
        let clock = SystemClock(maxSkewMilliseconds: 5_000, members: members)
        #expect(clock.moment.wall == .unsampled)
        clock.record(
            memberID: 1, dateSeconds: clock.wallMilliseconds / 1_000 - 60, roundTrip: .zero)
        #expect(clock.moment.wall == .untrusted)
    }

    @Test("PROTOCOL 15: all addresses of a member with an open transmission are avoided")
    func aliases() {
        let members = EtcdMembers(endpoints: endpoints)
        for (place, endpoint) in endpoints.enumerated() {
            members.note(UInt64(place % 3 + 1), at: endpoint)
        }
        let first = members.beginTransmission()
        members.sent(first, to: endpoints[0])
        #expect(members.avoided.isEmpty)
        members.doubtOpenTransmissions()
        #expect(members.avoided == [endpoints[0], endpoints[3]])
        #expect(members.beginTransmission().avoiding == [endpoints[0], endpoints[3]])
        members.ended(first, EtcdSamples.unreachable(), at: at(1))
        #expect(members.avoided == [endpoints[0], endpoints[3]])
        // It answers at its other address.
        members.answered(endpoints[3], askedAt: at(2))
        #expect(members.avoided.isEmpty)
    }

    @Test("a member that refuses, or says that it has no space, is not avoided")
    func settled() {
        let members = EtcdMembers(endpoints: endpoints)
        let errors = [
            EtcdError(failureClass: .rejected, code: .permissionDenied, message: ""),
            EtcdError(failureClass: .notSent, code: .connect, message: ""),
            EtcdError(failureClass: .unknown, code: .noSpace, message: ""),
        ]
        for error in errors {
            let transmission = members.beginTransmission()
            members.sent(transmission, to: endpoints[0])
            members.ended(transmission, error, at: at(1))
            #expect(members.avoided.isEmpty, "\(error)")
        }
    }
}
