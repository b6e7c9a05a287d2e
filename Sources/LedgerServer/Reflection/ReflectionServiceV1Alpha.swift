package import GRPCCore
package import LedgerAPI
import SwiftProtobuf

/// `grpc.reflection.v1alpha.ServerReflection`, for older tools.
///
/// Its messages have the same fields under the same numbers as those of v1, so each is answered by
/// v1 and carried over as bytes.
package struct ReflectionServiceV1Alpha: Sendable {
    private let current: ReflectionServiceV1

    /// Answers from `index`.
    package init(index: DescriptorIndex) {
        current = ReflectionServiceV1(index: index)
    }

    private func response(
        to message: Grpc_Reflection_V1alpha_ServerReflectionRequest
    ) throws -> Grpc_Reflection_V1alpha_ServerReflectionResponse {
        let bytes: [UInt8] = try message.serializedBytes()
        let request = try Grpc_Reflection_V1_ServerReflectionRequest(serializedBytes: bytes)
        let answer: [UInt8] = try current.response(to: request).serializedBytes()
        return try Grpc_Reflection_V1alpha_ServerReflectionResponse(serializedBytes: answer)
    }
}

extension ReflectionServiceV1Alpha: Grpc_Reflection_V1alpha_ServerReflection.SimpleServiceProtocol {
    package func serverReflectionInfo(
        request: RPCAsyncSequence<Grpc_Reflection_V1alpha_ServerReflectionRequest, any Swift.Error>,
        response writer: RPCWriter<Grpc_Reflection_V1alpha_ServerReflectionResponse>,
        context: ServerContext
    ) async throws {
        for try await message in request {
            try await writer.write(response(to: message))
        }
    }
}
