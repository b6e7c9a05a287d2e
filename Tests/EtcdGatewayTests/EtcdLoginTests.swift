import Synchronization
import TestSupport
import Testing

@testable import EtcdGateway

@Suite("EtcdLogin")
struct EtcdLoginTests {
    /// Answers logins when it is told to.
    private final class Authenticator: Sendable {
        private struct State {
            var open: [CheckedContinuation<EtcdLogin.Outcome, Never>] = []
            var count = 0
        }

        private let state = Mutex(State())

        var count: Int { state.withLock { $0.count } }

        func authenticate() async -> EtcdLogin.Outcome {
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.count += 1
                    state.open.append(continuation)
                }
            }
        }

        func answer(_ outcome: EtcdLogin.Outcome) {
            let open = state.withLock { exchange(&$0.open, with: []) }
            for continuation in open { continuation.resume(returning: outcome) }
        }
    }

    private let authenticator = Authenticator()

    private func makeLogin() -> EtcdLogin {
        EtcdLogin { [authenticator] in await authenticator.authenticate() }
    }

    private func untilLogins(_ count: Int) async throws {
        try await eventually("\(count) logins") { authenticator.count == count }
    }

    @Test("ten requests share one login, and later ones its token")
    func sharedLogin() async throws {
        let login = makeLogin()
        try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<10 { group.addTask { try await login.token(before: nil) } }
            try await untilLogins(1)
            authenticator.answer(.success("T1"))
            for try await token in group { #expect(token == "T1") }
        }
        #expect(try await login.token(before: nil) == "T1")
        #expect(authenticator.count == 1)
    }

    @Test("a refused token is replaced, a newer one is kept")
    func refusedToken() async throws {
        let login = makeLogin()
        async let first = login.token(before: nil)
        try await untilLogins(1)
        authenticator.answer(.success("T1"))
        #expect(try await first == "T1")
        login.refuse("T1")
        async let second = login.token(before: nil)
        try await untilLogins(2)
        authenticator.answer(.success("T2"))
        #expect(try await second == "T2")
        login.refuse("T1")
        #expect(try await login.token(before: nil) == "T2")
        #expect(authenticator.count == 2)
    }

    @Test("a login that failed is tried again by the next request, which was not sent")
    func failedLogin() async throws {
        let login = makeLogin()
        let first = Task { try await login.token(before: nil) }
        try await untilLogins(1)
        authenticator.answer(
            .failure(EtcdError(failureClass: .unknown, code: .timeout, message: "late")))
        let error = await #expect(throws: EtcdError.self) { _ = try await first.value }
        #expect(error?.failureClass == .notSent)
        #expect(error?.code == .timeout)
        let second = Task { try await login.token(before: nil) }
        try await untilLogins(2)
        authenticator.answer(
            .failure(EtcdError(failureClass: .rejected, code: .unauthenticated, message: "no")))
        let refusal = await #expect(throws: EtcdError.self) { _ = try await second.value }
        #expect(refusal?.failureClass == .rejected)
    }

    @Test("waits for a login no longer than its deadline, and the login goes on for others")
    func deadline() async throws {
        let login = makeLogin()
        let begin = ContinuousClock.now
        let error = await #expect(throws: EtcdError.self) {
            _ = try await login.token(before: begin + .milliseconds(20))
        }
        #expect(error?.failureClass == .notSent)
        #expect(error?.code == .timeout)
        #expect(.now - begin < .seconds(5))
        async let patient = login.token(before: nil)
        authenticator.answer(.success("T1"))
        #expect(try await patient == "T1")
        #expect(authenticator.count == 1)
    }

    @Test("a cancelled request stops waiting, the others do not")
    func cancellation() async throws {
        let login = makeLogin()
        let impatient = Task { try await login.token(before: nil) }
        let patient = Task { try await login.token(before: nil) }
        try await untilLogins(1)
        impatient.cancel()
        let error = await #expect(throws: EtcdError.self) { _ = try await impatient.value }
        #expect(error?.code == .cancelled)
        authenticator.answer(.success("T1"))
        #expect(try await patient.value == "T1")
    }

    @Test("where etcd's RBAC is off, requests go without a token")
    func withoutRBAC() async throws {
        let login = makeLogin()
        async let token = login.token(before: nil)
        try await untilLogins(1)
        authenticator.answer(.success(nil))
        #expect(try await token == nil)
        #expect(try await login.token(before: nil) == nil)
        #expect(authenticator.count == 1)
    }
}
