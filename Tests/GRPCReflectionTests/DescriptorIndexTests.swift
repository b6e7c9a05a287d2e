import Foundation
import GRPCReflection
import LedgerAPI
import SwiftProtobuf
import Testing

@Suite("Reflection's index")
struct DescriptorIndexTests {
    private let index: DescriptorIndex

    init() throws {
        index = try DescriptorIndex(base64: LedgerDescriptors.fileDescriptorSetBase64)
    }

    private func fileNames(_ question: ReflectionQuestion) throws -> [String] {
        guard case .files(let files) = index.answer(question) else { return [] }
        return try files.map {
            try Google_Protobuf_FileDescriptorProto(serializedBytes: $0).name
        }
    }

    @Test("All services of the public port are listed, in order")
    func services() {
        #expect(
            index.answer(.listServices)
                == .services([
                    "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                    "grpc.reflection.v1alpha.ServerReflection", "ledger.Health",
                    "ledger.ImmutableLedger",
                ]))
    }

    @Test(
        "Every kind of symbol leads to its file",
        arguments: [
            "ledger.ImmutableLedger", "ledger.ImmutableLedger.SubmitEvent", "ledger.SealedEvent",
            "ledger.SealedEvent.sequence_number", "ledger.SealedEvent.MetadataEntry",
            "ledger.SealedEvent.MetadataEntry.key", "ledger.SubmitResult.result",
            "ledger.ServiceStatus", "ledger.HEALTHY", ".ledger.CertifiedEvent",
        ])
    func symbols(_ symbol: String) throws {
        #expect(try fileNames(.fileContainingSymbol(symbol)) == ["ledger.proto"])
    }

    @Test("An enum inside a message is found, and its values beside it")
    func nestedEnum() throws {
        let file = ["grpc/health/v1/health.proto"]
        let scope = "grpc.health.v1.HealthCheckResponse"
        #expect(try fileNames(.fileContainingSymbol("\(scope).ServingStatus")) == file)
        #expect(try fileNames(.fileContainingSymbol("\(scope).NOT_SERVING")) == file)
    }

    @Test(
        "The types of error details are found, so that generic clients can show them",
        arguments: [
            ("google.rpc.Status", "google/rpc/status.proto"),
            ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
            ("google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"),
            ("google.rpc.RetryInfo", "google/rpc/error_details.proto"),
            ("google.protobuf.Any", "google/protobuf/any.proto"),
        ])
    func errorDetails(symbol: String, file: String) throws {
        #expect(try fileNames(.fileContainingSymbol(symbol)).first == file)
    }

    @Test("A file is found by its name")
    func file() throws {
        #expect(try fileNames(.fileByName("ledger.proto")) == ["ledger.proto"])
    }

    @Test(
        "What does not exist is NOT_FOUND",
        arguments: [
            ReflectionQuestion.fileByName("other.proto"), .fileContainingSymbol("ledger.Nobody"),
            .fileContainingSymbol(""), .fileContainingSymbol("ledger"),
            .fileContainingSymbol("ledger.internal.Submission"),
            .fileContainingExtension(type: "ledger.SealedEvent", number: 100),
            .allExtensionNumbers(type: "ledger.Nobody"),
        ])
    func notFound(_ question: ReflectionQuestion) {
        guard case .error(let code, _) = index.answer(question) else {
            Issue.record("no error for \(question)")
            return
        }
        #expect(code == 5)
    }

    @Test("A message has no extensions, and a request without a question is invalid")
    func others() {
        #expect(
            index.answer(.allExtensionNumbers(type: ".ledger.SealedEvent"))
                == .extensionNumbers(type: "ledger.SealedEvent", []))
        guard case .error(let code, _) = index.answer(.none) else {
            Issue.record("no error")
            return
        }
        #expect(code == 3)
    }

    @Test("Imported files come along, each once, the one asked for first")
    func dependencies() throws {
        let set = Google_Protobuf_FileDescriptorSet.with { set in
            set.file = [
                .with {
                    $0.name = "d.proto"
                },
                .with {
                    $0.name = "b.proto"
                    $0.dependency = ["d.proto", "a.proto"]
                },
                .with {
                    $0.name = "c.proto"
                    $0.dependency = ["d.proto"]
                },
                .with {
                    $0.name = "a.proto"
                    $0.dependency = ["b.proto", "c.proto", "missing.proto"]
                    $0.service = [.with { $0.name = "S" }]
                },
            ]
        }
        let bytes: Data = try set.serializedBytes()
        let index = try DescriptorIndex(base64: bytes.base64EncodedString())
        guard case .files(let files) = index.answer(.fileContainingSymbol("S")) else {
            Issue.record("no files")
            return
        }
        let names = try files.map {
            try Google_Protobuf_FileDescriptorProto(serializedBytes: $0).name
        }
        #expect(names == ["a.proto", "b.proto", "c.proto", "d.proto"])
    }

    @Test("Descriptors that cannot be read are an error", arguments: ["%%%", "AAAA", ""])
    func malformed(_ base64: String) {
        #expect(throws: DescriptorError.self) { try DescriptorIndex(base64: base64) }
    }
}
