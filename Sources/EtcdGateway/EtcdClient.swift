package import Logging
import TextFormats

/// etcd's v3 API, through its JSON gateway.
///
/// What was not sent goes to the next member by itself, and reads do after any failure of a
/// member, within the deadline. A write is otherwise sent once: whether to send it again is the
/// caller's decision, by the error's `failureClass`.
package final class EtcdClient: Sendable {
    private let executor: RequestExecutor
    private let login: EtcdLogin?
    private let observer: (any EtcdRequestObserver)?

    /// Starts the thread that the connections live on; connects to nobody yet.
    ///
    /// - Throws: An error of code `configuration`.
    package init(
        configuration: EtcdConfiguration, logger: Logger,
        observer: (any EtcdRequestObserver)? = nil
    ) throws(EtcdError) {
        try configuration.validate()
        let executor = try RequestExecutor(configuration, logger: logger)
        self.executor = executor
        self.observer = observer
        if let username = configuration.username, let password = configuration.password {
            let readsPassword = configuration.readsPassword
            login = EtcdLogin {
                await Self.authenticate(
                    executor, username, readsPassword?() ?? password, observer)
            }
        } else {
            login = nil
        }
    }

    /// A client of the same members, with the same login and the same circuit breakers, on connections and a thread
    /// of its own: what it reads never waits for this one's requests, nor they for it.
    ///
    /// - Parameters:
    ///   - configuration: Its user and password do not count.
    package init(
        sharingLoginOf other: EtcdClient, configuration: EtcdConfiguration, logger: Logger,
        observer: (any EtcdRequestObserver)? = nil
    ) throws(EtcdError) {
        try configuration.validate()
        executor = try RequestExecutor(
            configuration, breakers: other.executor.breakers, logger: logger)
        self.observer = observer
        login = other.login
    }

    /// The configured members.
    package var endpoints: [EtcdEndpoint] { executor.endpoints }

    /// The connections as they are now.
    package var poolStatistics: EtcdPoolStatistics { executor.poolStatistics }

    /// Which members are asked at present, in the order of the configuration.
    package var breakers: [EtcdBreakerStatus] { executor.breakers.statuses }

    /// Asks this member first from now on, as long as it answers. The leader saves the others a
    /// hop.
    package func prefer(_ endpoint: EtcdEndpoint) {
        executor.prefer(endpoint)
    }

    /// Ends the thread. Every open request fails: as unknown, or as not sent if it was not. So
    /// does every later one.
    package func shutdown() async {
        await executor.shutDown()
    }

    /// Sends a request with a token where one is needed, and once more with a new token where
    /// etcd refuses the old one: a refused request was certainly not applied.
    func answer<Answer>(
        _ operation: EtcdCall.Operation, _ body: [UInt8], _ options: EtcdRequestOptions,
        decode: RequestExecutor.Decode<Answer>
    ) async throws(EtcdError) -> Answer {
        let call = EtcdCall(operation: operation, body: body)
        let end = options.timeout.map { ContinuousClock.now + $0 }
        return try await Self.observed(operation, observer) { () async throws(EtcdError) in
            let token = try await self.login?.token(before: end)
            do throws(EtcdError) {
                return try await self.executor.run(
                    call, token: token ?? nil, options: options, before: end, decode: decode)
            } catch {
                guard let login = self.login, Self.mayNeedLogin(error, token ?? nil) else {
                    throw error
                }
                login.refuse(token ?? nil)
            }
            let newToken = try await self.login?.token(before: end)
            return try await self.executor.run(
                call, token: newToken ?? nil, options: options, before: end, decode: decode)
        }
    }

    /// Without a token, etcd may take the gateway's own certificate for the user, and find that
    /// user without permission: its RBAC was turned on after the last login.
    private static func mayNeedLogin(_ error: EtcdError, _ token: String?) -> Bool {
        guard error.failureClass == .rejected else { return false }
        return error.code == .unauthenticated || (token == nil && error.code == .permissionDenied)
    }

    private static func authenticate(
        _ executor: RequestExecutor, _ username: String, _ password: String,
        _ observer: (any EtcdRequestObserver)?
    ) async -> EtcdLogin.Outcome {
        let call = EtcdCall(
            operation: .authenticate,
            body: RequestEncoding.authenticate(username: username, password: password))
        do throws(EtcdError) {
            return .success(
                try await observed(.authenticate, observer) { () async throws(EtcdError) in
                    try await executor.run(
                        call, token: nil, options: EtcdRequestOptions(), before: nil
                    ) {
                        decoding, body throws(JSONFailure) in try decoding.token(body)
                    }
                })
        } catch {
            // Its RBAC is off; it will say so when that changes.
            if error.grpcCode == 9 { return .success(nil) }
            return .failure(error)
        }
    }

    private static func observed<Answer>(
        _ operation: EtcdCall.Operation, _ observer: (any EtcdRequestObserver)?,
        _ request: () async throws(EtcdError) -> Answer
    ) async throws(EtcdError) -> Answer {
        guard let observer else { return try await request() }
        let begin = ContinuousClock.now
        var failure: EtcdError?
        defer {
            observer.etcdRequestEnded(
                operation: operation.name, result: failure?.failureClass.rawValue ?? "ok",
                duration: .now - begin)
            observer.etcdRequestEnded(operation.access, failure)
        }
        do throws(EtcdError) {
            return try await request()
        } catch {
            failure = error
            throw error
        }
    }
}
