import GRPCCore
import GRPCProtobuf
import LedgerAPI
import SwiftProtobuf
import TestSupport
import Testing

@testable import LedgerServer

@Suite("Errors as callers see them")
struct LedgerRPCErrorTests {
    /// A service that throws one error.
    private struct Failing: Ledger_Health.SimpleServiceProtocol {
        let error: LedgerRPCError

        func getHealth(
            request: Ledger_GetHealthRequest, context: ServerContext
        ) async throws -> Ledger_GetHealthResponse {
            throw error
        }

        func getLiveness(
            request: Ledger_GetLivenessRequest, context: ServerContext
        ) async throws -> Ledger_GetLivenessResponse {
            throw error
        }
    }

    private func received(_ error: LedgerRPCError) async throws -> RPCError {
        try await withLoopbackClient(to: [Failing(error: error)]) { client, _ in
            try await #require(throws: RPCError.self) {
                _ = try await Ledger_Health.Client(wrapping: client).getHealth(.init())
            }
        }
    }

    @Test("Status, ErrorInfo, BadRequest, RetryInfo and further details cross the wire")
    func details() async throws {
        let original = Ledger_SealedEvent.with { $0.sequenceNumber = 7 }
        let error = LedgerRPCError(
            .alreadyExists, .duplicateEvent, "sealed before, é",
            fieldViolations: [.init(field: "event_id", description: "is used")],
            retryDelay: .milliseconds(100), metadata: ["sequence_number": "7"],
            extraDetails: [try Google_Protobuf_Any(message: original)])
        let received = try await received(error)
        #expect(received.code == .alreadyExists)
        #expect(received.message == "sealed before, é")
        let status = try #require(try received.unpackGoogleRPCStatus())
        #expect(status.code == .alreadyExists)
        let info = try #require(status.details.compactMap(\.errorInfo).first)
        #expect(info.domain == "ledger")
        #expect(info.reason == "DUPLICATE_EVENT")
        #expect(info.metadata == ["sequence_number": "7"])
        let violation = status.details.compactMap(\.badRequest).first?.violations.first
        #expect(violation?.field == "event_id")
        #expect(status.details.compactMap(\.retryInfo).first?.delay == .milliseconds(100))
        let any = try #require(status.details.compactMap(\.any).first)
        #expect(try Ledger_SealedEvent(unpackingAny: any) == original)
    }

    @Test("Long texts are cut, so that the trailers stay below what clients refuse")
    func bounds() async throws {
        let long = String(repeating: "é\"\n", count: 10_000)
        let error = LedgerRPCError(
            .invalidArgument, .invalidEvent, long,
            fieldViolations: Array(
                repeating: .init(field: "event_id", description: "is too long"), count: 1000))
        #expect(error.message.utf8.count <= LedgerRPCError.maxMessageBytes)
        let received = try await received(error)
        #expect(received.message == error.message)
        let status = try #require(try received.unpackGoogleRPCStatus())
        let bytes: [UInt8] = try status.serializedBytes()
        #expect(bytes.count < 2048)
    }

    @Test("Reasons are upper snake case, as ErrorInfo demands", arguments: ErrorReason.allCases)
    func reasons(_ reason: ErrorReason) {
        #expect(reason.rawValue.allSatisfy { $0.isUppercase || $0 == "_" })
        #expect(!reason.rawValue.hasPrefix("_") && !reason.rawValue.hasSuffix("_"))
    }

    @Test("Reasons give their usual codes")
    func factories() {
        #expect(LedgerRPCError.invalidArgument(field: "first", "x").code == .invalidArgument)
        #expect(LedgerRPCError.invalidEvent(field: "payload", "x").reason == .invalidEvent)
        #expect(LedgerRPCError.notFound("x").code == .notFound)
        #expect(LedgerRPCError.outOfRange("x").code == .outOfRange)
        #expect(LedgerRPCError.unavailable("x").code == .unavailable)
        #expect(LedgerRPCError.corrupt("x").code == .dataLoss)
        #expect(LedgerRPCError.stopping().retryDelay != nil)
    }
}
