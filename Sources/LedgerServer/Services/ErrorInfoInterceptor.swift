package import GRPCCore
import LedgerAPI

/// Gives the errors that the gRPC library makes of a request the ErrorInfo that all of this service's errors carry.
///
/// The submitting calls are left as they are: there an error without one means that the outcome is unknown, and
/// what they know they say themselves.
package struct ErrorInfoInterceptor: ServerInterceptor {
    private let submitting: Set<MethodDescriptor>

    package init(submitting: Set<MethodDescriptor>) {
        self.submitting = submitting
    }

    package func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingServerRequest<Input>, context: ServerContext,
        next:
            @concurrent @Sendable (StreamingServerRequest<Input>, ServerContext) async throws ->
            StreamingServerResponse<Output>
    ) async throws -> StreamingServerResponse<Output> {
        if submitting.contains(context.descriptor) { return try await next(request, context) }
        do {
            var response = try await next(request, context)
            switch response.accepted {
            case .failure(let error):
                response.accepted = .failure(Self.completed(error))
            case .success(var contents):
                let producer = contents.producer
                contents.producer = { writer in
                    do {
                        return try await producer(writer)
                    } catch let error as RPCError {
                        throw Self.completed(error)
                    }
                }
                response.accepted = .success(contents)
            }
            return response
        } catch let error as RPCError {
            throw Self.completed(error)
        }
    }

    private static func completed(_ error: RPCError) -> RPCError {
        guard error.metadata.isEmpty else { return error }
        let reason: ErrorReason? =
            switch error.code {
            case .invalidArgument: .invalidArgument
            case .internalError: .internalError
            case .unimplemented: .unimplemented
            default: nil
            }
        guard let reason else { return error }
        return RPCError(LedgerRPCError(error.code, reason, error.message))
    }
}
