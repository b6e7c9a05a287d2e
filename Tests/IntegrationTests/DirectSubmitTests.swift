import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// `SubmitEvent` is served on the call's own channel, or with `LEDGER_DIRECT_SUBMIT=off` through the gRPC library:
    /// no caller can tell which.
    @Suite("Direct submissions", .serialized)
    struct DirectSubmitTests {
        /// Everything that a caller gets, but for what no two answers have in common.
        private struct Answer: Equatable, Sendable, CustomStringConvertible {
            var event: Ledger_SealedEvent?
            var code: Int?
            var message: String?
            var headers: [String]
            var trailers: [String]

            init(_ response: ClientResponse<Ledger_SealedEvent>) {
                headers = Self.lines(response.metadata)
                trailers = Self.lines(response.trailingMetadata)
                switch response.accepted {
                case .success(let contents):
                    event = try? contents.message.get()
                case .failure(let error):
                    code = error.code.rawValue
                    message = error.message
                    trailers = Self.lines(error.metadata)
                    event = CallFailure(error).original
                    // With an original they are as different as it is; else the same byte for byte.
                    let details = "grpc-status-details-bin"
                    if event != nil { trailers.removeAll { $0.hasPrefix(details) } }
                }
                event?.sealedTimestamp = 0
                event?.commitLatencyMs = 0
                event?.eventHash = ""
                event?.previousHash = ""
            }

            private static func lines(_ metadata: Metadata) -> [String] {
                metadata.map { "\($0.key): \($0.value.encoded())" }
            }

            var description: String {
                "\(String(describing: event)) \(code ?? 0) \(message ?? "") \(headers) \(trailers)"
            }
        }

        /// The answers of one service to the same calls in the same order.
        private func answers(
            directly: Bool, on cluster: EtcdCluster
        ) async throws -> (answers: [Answer], submissions: [String: Double]) {
            let settings = [
                "LEDGER_DIRECT_SUBMIT": directly ? "on" : "off",
                "LEDGER_MAX_PAYLOAD_BYTES": "20000",
                // The entries of a map leave in the same order in every process.
                "SWIFT_DETERMINISTIC_HASHING": "1",
            ]
            return try await withLedger(on: cluster, settings: settings) { ledger in
                var answers: [Answer] = []
                for (event, metadata) in Self.calls {
                    answers.append(
                        try await ledger.calls.ledger.submitEvent(event, metadata: metadata) {
                            Answer($0)
                        })
                }
                let samples = try await ledger.process.metrics().filter {
                    $0.key.hasPrefix("ledger_submissions_total")
                }
                return (answers, samples)
            }
        }

        private static let calls: [(Ledger_CertifiedEvent, Metadata)] = {
            let one = Ledger_CertifiedEvent.sample("one")
            var other = one
            other.payload.append(1)
            var large = Ledger_CertifiedEvent.sample("large", payloadBytes: 10_000)
            large.metadata = ["key": "value", "ä": "no key"]
            return [
                (one, [:]),
                (one, [:]),
                (other, [:]),
                (.sample("larger", payloadBytes: 19_000), [:]),
                (.sample("larger", payloadBytes: 19_000), [:]),
                (large, [:]),
                (.sample("too large", payloadBytes: 20_001), [:]),
                (.sample("much too large", payloadBytes: 200_000), [:]),
                (.sample("", payloadBytes: 1), [:]),
                (.sample("deadline"), ["grpc-timeout": "1n"]),
                (.sample("no deadline"), ["grpc-timeout": "1"]),
                (.sample("traced"), ["traceparent": "00-1-1-01", "x-further": "dropped"]),
            ]
        }()

        @Test("every answer, its headers and trailers, and what is counted are the same both ways")
        func bothWays() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let direct = try await answers(directly: true, on: cluster)
            let library = try await answers(directly: false, on: cluster)
            #expect(direct.answers.count == Self.calls.count)
            for (ours, theirs) in zip(direct.answers, library.answers) { #expect(ours == theirs) }
            #expect(direct.submissions == library.submissions)
        }
    }
}
