import LedgerCore
import LedgerStore
import TestSupport
import Testing

@testable import LedgerServer

@Suite("The clocks")
struct SystemClockTests {
    private let endpoints = (1...6).map(EtcdSamples.endpoint)

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
}
