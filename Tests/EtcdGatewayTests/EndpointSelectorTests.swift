import Testing

@testable import EtcdGateway

@Suite("EndpointSelector")
struct EndpointSelectorTests {
    private let members = (1...3).map { EtcdEndpoint(scheme: .https, host: "m\($0)", port: 2379) }
    private let start = ContinuousClock.now

    @Test("stays with a member that answers")
    func sticky() {
        var selector = EndpointSelector(members)
        for second in 0..<10 {
            let now = start + .seconds(second)
            #expect(selector.choose(at: now) == members[0])
            let wasFailing = selector.succeeded(members[0])
            #expect(!wasFailing)
        }
    }

    @Test("leaves a member that fails, and does not return when its rest is over")
    func failover() {
        var selector = EndpointSelector(members)
        let failures = selector.failed(members[0], at: start)
        #expect(failures == 1)
        #expect(selector.choose(at: start) == members[1])
        selector.succeeded(members[1])
        #expect(selector.choose(at: start + .seconds(60)) == members[1])
        let wasFailing = selector.succeeded(members[0])
        #expect(wasFailing)
        #expect(selector.choose(at: start + .seconds(60)) == members[1])
    }

    @Test("an answer of another member moves the preference only away from a failing one")
    func strayAnswers() {
        var selector = EndpointSelector(members)
        selector.succeeded(members[2])
        #expect(selector.choose(at: start) == members[0])
        selector.failed(members[0], at: start)
        selector.succeeded(members[2])
        #expect(selector.choose(at: start) == members[2])
    }

    @Test("a member rests twice as long after each failure, up to five seconds")
    func backoff() {
        var selector = EndpointSelector(Array(members.prefix(2)))
        var now = start
        for failure in 1...20 {
            let failures = selector.failed(members[0], at: now)
            #expect(failures == failure)
            let expected = min(Duration.milliseconds(50) * (1 << min(failure - 1, 10)), .seconds(5))
            #expect(selector.choose(at: now + expected - .milliseconds(1)) == members[1])
            #expect(selector.choose(at: now + expected) == members[0])
            now += expected
        }
        selector.succeeded(members[0])
        let failures = selector.failed(members[0], at: now)
        #expect(failures == 1)
    }

    @Test("when all rest, takes the one whose rest ends first")
    func allResting() {
        var selector = EndpointSelector(members)
        selector.failed(members[0], at: start)
        selector.failed(members[0], at: start)
        selector.failed(members[1], at: start)
        selector.failed(members[2], at: start + .milliseconds(10))
        #expect(selector.choose(at: start + .milliseconds(11)) == members[1])
        #expect(selector.choose(at: start + .milliseconds(11), tried: [members[1]]) == members[2])
    }

    @Test("tries each member once for a request")
    func triedMembers() {
        let selector = EndpointSelector(members)
        #expect(selector.choose(at: start, tried: [members[0]]) == members[1])
        #expect(selector.choose(at: start, tried: [members[0], members[1]]) == members[2])
        #expect(selector.choose(at: start, tried: members) == nil)
    }

    @Test("avoids a member while there is another, even one that rests")
    func avoiding() {
        var selector = EndpointSelector(members)
        #expect(selector.choose(at: start, avoiding: [members[0]]) == members[1])
        selector.failed(members[1], at: start)
        selector.failed(members[2], at: start)
        #expect(selector.choose(at: start, avoiding: [members[0]]) == members[1])
        let tried = [members[1], members[2]]
        #expect(selector.choose(at: start, tried: tried, avoiding: [members[0]]) == members[0])
        #expect(
            EndpointSelector([members[0]]).choose(at: start, avoiding: [members[0]]) == members[0])
    }

    @Test("asks the one member that is named, once")
    func only() {
        var selector = EndpointSelector(members)
        selector.failed(members[2], at: start)
        #expect(selector.choose(at: start, only: members[2]) == members[2])
        #expect(selector.choose(at: start, tried: [members[2]], only: members[2]) == nil)
        let stranger = EtcdEndpoint(scheme: .https, host: "other", port: 1)
        #expect(selector.choose(at: start, only: stranger) == stranger)
        let failures = selector.failed(stranger, at: start)
        #expect(failures == 0)
    }

    @Test("knows whether another member could answer")
    func alternatives() {
        var selector = EndpointSelector(members)
        #expect(selector.hasAlternative(to: members[0], at: start))
        #expect(!selector.hasAlternative(to: members[0], at: start, tried: Array(members[1...])))
        selector.failed(members[1], at: start)
        selector.failed(members[2], at: start)
        #expect(!selector.hasAlternative(to: members[0], at: start))
        #expect(selector.hasAlternative(to: members[0], at: start + .milliseconds(50)))
    }

    @Test("a barred member is not taken, whoever asks, and is no alternative")
    func barred() {
        let selector = EndpointSelector(members)
        let barred: Set = [members[0]]
        #expect(selector.choose(at: start, barred: barred) == members[1])
        #expect(selector.choose(at: start, only: members[0], barred: barred) == nil)
        #expect(
            selector.choose(at: start, tried: Array(members[1...]), barred: barred) == nil)
        #expect(
            selector.choose(at: start, avoiding: Set(members[1...]), barred: barred) == members[1])
        #expect(selector.choose(at: start, barred: Set(members)) == nil)
        #expect(
            !selector.hasAlternative(to: members[1], at: start, barred: [members[0], members[2]]))
    }

    @Test("prefers the member it is told to, and drops duplicates")
    func preference() {
        var selector = EndpointSelector(members + [members[0]])
        #expect(selector.endpoints == members)
        selector.prefer(members[2])
        #expect(selector.choose(at: start) == members[2])
        #expect(selector.choose(at: start, tried: [members[2]]) == members[0])
    }
}
