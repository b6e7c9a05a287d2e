import Foundation
package import GRPCCore
import GRPCProtobuf
import LedgerAPI
import SwiftProtobuf

/// Server reflection: lets tools such as grpcurl find this server's services.
///
/// It is served as `grpc.reflection.v1` and, for older tools, as `v1alpha`, whose messages have the same fields under the
/// same numbers.
package struct ReflectionService: Sendable {
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

extension ReflectionService: RegistrableRPCService {
    private typealias V1 = Grpc_Reflection_V1_ServerReflection.Method.ServerReflectionInfo

    /// The methods of both versions.
    package static let methods = [
        V1.descriptor,
        MethodDescriptor(
            service: ServiceDescriptor(
                fullyQualifiedService: "grpc.reflection.v1alpha.ServerReflection"),
            method: V1.descriptor.method, type: .bidirectionalStreaming),
    ]

    package func registerMethods(with router: inout RPCRouter<some ServerTransport>) {
        for method in Self.methods {
            router.registerHandler(
                forMethod: method, deserializer: ProtobufDeserializer<V1.Input>(),
                serializer: ProtobufSerializer<V1.Output>()
            ) { request, _ in
                StreamingServerResponse { writer in
                    for try await message in request.messages {
                        try await writer.write(response(to: message))
                    }
                    return [:]
                }
            }
        }
    }
}
