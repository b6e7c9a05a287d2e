package import GRPCCore
import GRPCReflection
import LedgerAPI

/// Puts every call of a port under a `CallWatch`, so that none goes on for a caller who has gone.
package struct CallInterceptor: ServerInterceptor {
    /// What is watched of a call.
    private enum Rule {
        /// The call watches itself, for there is more to it than ending.
        case none
        /// Its end is near anyway: a stop does not cut it off.
        case unary
        /// It may take long, or for ever.
        case long
        /// As `long`, but it ends itself when the replica stops, with what is left to be said.
        case farewell
    }

    private let watch: CallWatch

    package init(_ watch: CallWatch) {
        self.watch = watch
    }

    private static func rule(_ method: MethodDescriptor) -> Rule {
        switch method {
        case Ledger_ImmutableLedger.Method.SubmitEvent.descriptor,
            Ledger_ImmutableLedger.Method.SubmitEvents.descriptor:
            .none
        case Ledger_ImmutableLedger.Method.ListEvents.descriptor,
            Ledger_ImmutableLedger.Method.VerifyEvents.descriptor,
            Ledger_ImmutableLedger.Method.GetReceipt.descriptor:
            .long
        case let method where ReflectionService.methods.contains(method): .long
        case Grpc_Health_V1_Health.Method.Watch.descriptor: .farewell
        default: .unary
        }
    }

    package func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingServerRequest<Input>, context: ServerContext,
        next:
            @concurrent @Sendable (StreamingServerRequest<Input>, ServerContext) async throws ->
            StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
        let rule = Self.rule(context.descriptor)
        if rule == .none { return try await next(request, context) }
        let deadline = CallWatch.deadline(request.metadata)
        let endsWithReplica = rule == .long
        var response = try await withoutActuallyEscaping(next) { next in
            try await watch.run(until: deadline, endsWithReplica: endsWithReplica) {
                try await next(request, context)
            }
        }
        // The one message of a unary answer is there by now.
        guard rule != .unary, case .success(var contents) = response.accepted else {
            return response
        }
        let producer = contents.producer
        contents.producer = { [watch] writer in
            try await watch.run(until: deadline, endsWithReplica: endsWithReplica) {
                try await producer(writer)
            }
        }
        response.accepted = .success(contents)
        return response
    }
}
