import GRPCCore
import GRPCProtobuf
import LedgerAPI
import SwiftProtobuf
import TestSupport
import Testing

@testable import GRPCReflection

@Suite("Server reflection over loopback")
struct ReflectionServiceTests {
    private let index: DescriptorIndex

    init() throws {
        index = try DescriptorIndex(base64: LedgerDescriptors.fileDescriptorSetBase64)
    }

    @Test("v1 answers every request of a stream, in order")
    func current() async throws {
        let service = ReflectionService(index: index)
        let responses = try await withLoopbackClient(to: [service]) { client, _ in
            let reflection = Grpc_Reflection_V1_ServerReflection.Client(wrapping: client)
            return try await reflection.serverReflectionInfo { writer in
                for request: Grpc_Reflection_V1_ServerReflectionRequest in [
                    .with { $0.listServices = "" },
                    .with {
                        $0.host = "h"
                        $0.fileContainingSymbol = "ledger.ImmutableLedger"
                    },
                    .with { $0.fileByFilename = "nothing.proto" },
                    .with { $0.allExtensionNumbersOfType = "ledger.SealedEvent" }, .init(),
                ] {
                    try await writer.write(request)
                }
            } onResponse: { response in
                var responses: [Grpc_Reflection_V1_ServerReflectionResponse] = []
                for try await message in response.messages {
                    responses.append(message)
                }
                return responses
            }
        }
        try #require(responses.count == 5)
        #expect(
            responses[0].listServicesResponse.service.map(\.name)
                .contains("ledger.ImmutableLedger"))
        #expect(responses[1].validHost == "h")
        #expect(
            responses[1].originalRequest.fileContainingSymbol == "ledger.ImmutableLedger")
        let bytes = try #require(responses[1].fileDescriptorResponse.fileDescriptorProto.first)
        let file = try Google_Protobuf_FileDescriptorProto(serializedBytes: bytes)
        #expect(file.name == "ledger.proto")
        #expect(responses[2].errorResponse.errorCode == 5)
        #expect(responses[3].allExtensionNumbersResponse.baseTypeName == "ledger.SealedEvent")
        #expect(responses[4].errorResponse.errorCode == 3)
    }

    @Test("v1alpha gives the same answers")
    func older() async throws {
        let service = ReflectionService(index: index)
        typealias Method = Grpc_Reflection_V1_ServerReflection.Method.ServerReflectionInfo
        let older = MethodDescriptor(
            fullyQualifiedService: "grpc.reflection.v1alpha.ServerReflection",
            method: "ServerReflectionInfo", type: .bidirectionalStreaming)
        let responses = try await withLoopbackClient(to: [service]) { client, _ in
            try await client.bidirectionalStreaming(
                request: StreamingClientRequest { writer in
                    try await writer.write(.with { $0.listServices = "" })
                    try await writer.write(.with { $0.fileContainingSymbol = "ledger.Health" })
                    try await writer.write(
                        .with {
                            $0.fileContainingExtension.containingType = "ledger.SealedEvent"
                            $0.fileContainingExtension.extensionNumber = 7
                        })
                }, descriptor: older, serializer: ProtobufSerializer<Method.Input>(),
                deserializer: ProtobufDeserializer<Method.Output>(), options: .defaults
            ) { response in
                var responses: [Method.Output] = []
                for try await message in response.messages {
                    responses.append(message)
                }
                return responses
            }
        }
        try #require(responses.count == 3)
        #expect(responses[0].listServicesResponse.service.count == 5)
        #expect(responses[1].fileDescriptorResponse.fileDescriptorProto.count == 1)
        #expect(responses[1].originalRequest.fileContainingSymbol == "ledger.Health")
        #expect(responses[2].errorResponse.errorCode == 5)
        #expect(responses[2].originalRequest.fileContainingExtension.extensionNumber == 7)
    }
}
