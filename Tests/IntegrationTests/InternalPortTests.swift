import Foundation
import GRPCCore
import LedgerAPI
import SwiftProtobuf
import TestSupport
import Testing

extension Integration {
    /// Whoever reaches the internal port without being a replica.
    @Suite("Strangers on the internal port", .serialized)
    struct InternalPortTests {
        private typealias Request = Ledger_Internal_ForwardRequest

        /// Sends messages and waits for the end of the call.
        private func refusal(
            _ ledger: LedgerFixture, _ messages: [Request], metadata: Metadata = [:],
            staysOpen: Bool = true
        ) async throws -> RPCError? {
            let calls = try LedgerCalls(port: try await ledger.process.internalPort())
            let (ended, end) = AsyncStream.makeStream(of: Void.self)
            defer { end.finish() }
            var error: RPCError?
            do {
                try await Ledger_Internal_Forwarding.Client(wrapping: calls.client).forward(
                    metadata: metadata
                ) { writer in
                    for message in messages { try await writer.write(message) }
                    if staysOpen { for await _ in ended {} }
                } onResponse: { response in
                    defer { end.finish() }
                    for try await _ in response.messages {}
                }
            } catch let caught as RPCError {
                error = caught
            }
            await calls.close()
            return error
        }

        @Test("who has not proved that it knows the token is not listened to, and soon closed")
        func strangers() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let token = ["LEDGER_INTERNAL_TOKEN": "0123456789abcdef0123456789abcdef"]
            try await withLedger(on: cluster, settings: token) { ledger in
                try await eventually("it can be found") {
                    try await ledger.process.metric("ledger_is_sealer") == 1
                }
                let greeting = Request.with { $0.greeting = .with { $0.sealerID = "guessed" } }
                let events = Request.with { $0.events = .with { $0.events = [.init()] } }
                let large = Request.with {
                    $0.events = .with { $0.events = [.with { $0.entry = Data(count: 200_000) }] }
                }
                for messages in [[greeting], [events], [large]] {
                    let error = try await refusal(ledger, messages)
                    #expect(error?.code == .unauthenticated, "\(String(describing: error))")
                }
                let wrong: Metadata = ["ledger-internal-token": "another-token-of-somebody"]
                let refused = try await refusal(ledger, [greeting], metadata: wrong)
                #expect(refused?.code == .unauthenticated)
                // Who says nothing, or stops half way.
                let hello = Request.with {
                    $0.hello = .with {
                        $0.version = 1
                        $0.nonce = Data(count: 32)
                    }
                }
                for messages in [[], [hello]] {
                    let silent = try await refusal(ledger, messages)
                    #expect(silent?.code == .unauthenticated, "\(String(describing: silent))")
                }
                #expect(try await ledger.process.metric("ledger_forwards_received_total") == 0)
                #expect(try await ledger.process.metric("ledger_forwarding_peers") == 0)
                #expect(ledger.process.log.contains("has not shown in time who it is"))
            }
        }
    }
}
