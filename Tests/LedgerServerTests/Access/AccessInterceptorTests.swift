import Foundation
import GRPCCore
import LedgerAPI
import SwiftProtobuf
import Testing

@testable import LedgerServer

@Suite("Whom a call is for")
struct AccessInterceptorTests {
    @Test("every call that the port offers is listed, and what is listed nowhere is for nobody")
    func audiences() throws {
        let bytes = try #require(Data(base64Encoded: LedgerDescriptors.fileDescriptorSetBase64))
        let files = try Google_Protobuf_FileDescriptorSet(serializedBytes: Array(bytes)).file
        var readers: [String] = []
        for file in files {
            for service in file.service {
                for method in service.method {
                    let descriptor = MethodDescriptor(
                        fullyQualifiedService: "\(file.package).\(service.name)",
                        method: method.name)
                    let audience = AccessInterceptor.audience(of: descriptor)
                    if file.package == "ledger.internal" {
                        #expect(audience == nil, "\(descriptor)")
                    } else {
                        #expect(audience != nil, "\(descriptor)")
                    }
                    if audience == .readers { readers.append(method.name) }
                }
            }
        }
        #expect(readers.count == 8)
        let unknown = MethodDescriptor(
            fullyQualifiedService: "ledger.ImmutableLedger", method: "DeleteEvent")
        #expect(AccessInterceptor.audience(of: unknown) == nil)
    }
}
