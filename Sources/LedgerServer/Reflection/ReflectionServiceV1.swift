import Foundation
package import GRPCCore
package import LedgerAPI
import SwiftProtobuf

/// `grpc.reflection.v1.ServerReflection`: lets tools such as grpcurl find this server's services.
package struct ReflectionServiceV1: Sendable {
    private let index: DescriptorIndex

    /// Answers from `index`.
    package init(index: DescriptorIndex) {
        self.index = index
    }

    /// The answer to one request of the stream.
    func response(
        to request: Grpc_Reflection_V1_ServerReflectionRequest
    ) -> Grpc_Reflection_V1_ServerReflectionResponse {
        let answer = index.answer(Self.question(request))
        return .with {
            $0.validHost = request.host
            $0.originalRequest = request
            $0.messageResponse = Self.messageResponse(answer)
        }
    }

    private static func question(
        _ request: Grpc_Reflection_V1_ServerReflectionRequest
    ) -> ReflectionQuestion {
        switch request.messageRequest {
        case .fileByFilename(let name): .fileByName(name)
        case .fileContainingSymbol(let symbol): .fileContainingSymbol(symbol)
        case .fileContainingExtension(let target):
            .fileContainingExtension(
                type: target.containingType, number: target.extensionNumber)
        case .allExtensionNumbersOfType(let type): .allExtensionNumbers(type: type)
        case .listServices: .listServices
        case nil: .none
        }
    }

    private static func messageResponse(
        _ answer: ReflectionAnswer
    ) -> Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse {
        switch answer {
        case .files(let files):
            .fileDescriptorResponse(.with { $0.fileDescriptorProto = files.map { Data($0) } })
        case .extensionNumbers(let type, let numbers):
            .allExtensionNumbersResponse(
                .with {
                    $0.baseTypeName = type
                    $0.extensionNumber = numbers
                })
        case .services(let names):
            .listServicesResponse(
                .with { $0.service = names.map { name in .with { $0.name = name } } })
        case .error(let code, let message):
            .errorResponse(
                .with {
                    $0.errorCode = code
                    $0.errorMessage = message
                })
        }
    }
}

extension ReflectionServiceV1: Grpc_Reflection_V1_ServerReflection.SimpleServiceProtocol {
    package func serverReflectionInfo(
        request: RPCAsyncSequence<Grpc_Reflection_V1_ServerReflectionRequest, any Swift.Error>,
        response writer: RPCWriter<Grpc_Reflection_V1_ServerReflectionResponse>,
        context: ServerContext
    ) async throws {
        for try await message in request {
            try await writer.write(response(to: message))
        }
    }
}
