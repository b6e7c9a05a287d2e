package import GRPCCore
import GRPCReflection
import LedgerAPI

/// Lets in whom a call is for. A call that is not listed here is for nobody.
package struct AccessInterceptor: ServerInterceptor {
    /// Whom a call is for.
    enum Audience: Hashable, Sendable {
        /// Everybody whom the port lets in: how the replica is, and what it offers.
        case everybody
        /// `LEDGER_ALLOWED_READERS`.
        case readers
        /// `LEDGER_ALLOWED_SUBMITTERS`, which the calls check themselves: they are served in more than one way.
        case submitters
    }

    private static let audiences: [MethodDescriptor: Audience] = {
        typealias Ledger = Ledger_ImmutableLedger.Method
        var audiences: [MethodDescriptor: Audience] = [
            Ledger.SubmitEvent.descriptor: .submitters,
            Ledger.SubmitEvents.descriptor: .submitters,
            Ledger.GetEvent.descriptor: .readers,
            Ledger.GetEventById.descriptor: .readers,
            Ledger.ListEvents.descriptor: .readers,
            Ledger.VerifyEvents.descriptor: .readers,
            Ledger.GetCheckpoint.descriptor: .readers,
            Ledger.GetInclusionProof.descriptor: .readers,
            Ledger.GetConsistencyProof.descriptor: .readers,
            Ledger.GetReceipt.descriptor: .readers,
            Ledger.HealthCheck.descriptor: .everybody,
            Ledger_Health.Method.GetHealth.descriptor: .everybody,
            Ledger_Health.Method.GetLiveness.descriptor: .everybody,
            Grpc_Health_V1_Health.Method.Check.descriptor: .everybody,
            Grpc_Health_V1_Health.Method.List.descriptor: .everybody,
            Grpc_Health_V1_Health.Method.Watch.descriptor: .everybody,
        ]
        for method in ReflectionService.methods { audiences[method] = .everybody }
        return audiences
    }()

    private let readers: AccessList

    package init(readers: AccessList) {
        self.readers = readers
    }

    /// Whom a call is for; nil: nobody.
    static func audience(of method: MethodDescriptor) -> Audience? {
        audiences.first { $0.key.fullyQualifiedMethod == method.fullyQualifiedMethod }?.value
    }

    package func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingServerRequest<Input>, context: ServerContext,
        next:
            @concurrent @Sendable (StreamingServerRequest<Input>, ServerContext) async throws ->
            StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
        switch Self.audiences[context.descriptor] {
        case .everybody, .submitters: break
        case .readers:
            if !readers.admitsEverybody {
                try readers.check(CallerIdentity(context), to: "read")
            }
        case nil:
            throw LedgerRPCError(
                .permissionDenied, .notAllowed, "this call is not offered to anybody")
        }
        return try await next(request, context)
    }
}
