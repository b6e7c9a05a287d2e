import GRPCCore
import LedgerAPI
import TestSupport
import Testing

extension Integration {
    /// Submitting calls are served on their own channels, or with `LEDGER_DIRECT_SUBMIT=off` through the gRPC library: no
    /// caller can tell which.
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

            static func lines(_ metadata: Metadata) -> [String] {
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
                return (answers, try await submissions(ledger))
            }
        }

        private func submissions(_ ledger: LedgerFixture) async throws -> [String: Double] {
            try await ledger.process.metrics().filter {
                $0.key.hasPrefix("ledger_submissions_total")
            }
        }

        /// Everything that the caller of a stream gets, but for what no two streams have in common.
        private struct StreamAnswer: Equatable, Sendable {
            var results: [Ledger_SubmitResult] = []
            var code: Int?
            var message: String?
            var headers: [String] = []
            var trailers: [String] = []

            mutating func add(_ result: Ledger_SubmitResult) {
                var result = result
                switch result.result {
                case .sealed(let event): result.sealed = Self.lasting(event)
                case .rejection(var rejection):
                    if rejection.hasOriginal {
                        rejection.original = Self.lasting(rejection.original)
                    }
                    result.rejection = rejection
                case nil: break
                }
                results.append(result)
            }

            private static func lasting(_ event: Ledger_SealedEvent) -> Ledger_SealedEvent {
                var event = event
                event.sealedTimestamp = 0
                event.commitLatencyMs = 0
                event.eventHash = ""
                event.previousHash = ""
                return event
            }
        }

        private func answer(
            _ ledger: LedgerFixture, _ events: [Ledger_CertifiedEvent], _ metadata: Metadata
        ) async throws -> StreamAnswer {
            try await ledger.calls.ledger.submitEvents(
                metadata: metadata,
                requestProducer: { writer in
                    for event in events { try await writer.write(event) }
                },
                onResponse: { response in
                    var answer = StreamAnswer()
                    answer.headers = Answer.lines(response.metadata)
                    do {
                        for try await part in try response.accepted.get().bodyParts {
                            switch part {
                            case .message(let result): answer.add(result)
                            case .trailingMetadata(let trailers):
                                answer.trailers = Answer.lines(trailers)
                            }
                        }
                    } catch let error as RPCError {
                        answer.code = error.code.rawValue
                        answer.message = error.message
                        answer.trailers = Answer.lines(error.metadata)
                    }
                    return answer
                })
        }

        private func streamAnswers(
            directly: Bool, on cluster: EtcdCluster
        ) async throws -> (answers: [StreamAnswer], submissions: [String: Double]) {
            let settings = [
                "LEDGER_DIRECT_SUBMIT": directly ? "on" : "off",
                "LEDGER_MAX_PAYLOAD_BYTES": "20000",
                "LEDGER_COMMIT_DEADLINE_MS": "20000", "LEDGER_RESOLVE_DEADLINE_MS": "30000",
                "SWIFT_DETERMINISTIC_HASHING": "1",
            ]
            return try await withLedger(on: cluster, settings: settings) { ledger in
                var answers: [StreamAnswer] = []
                for (events, metadata) in Self.streams {
                    answers.append(try await answer(ledger, events, metadata))
                }
                return (answers, try await submissions(ledger))
            }
        }

        private static let streams: [([Ledger_CertifiedEvent], Metadata)] = {
            // All kinds of events, large ones that are validated elsewhere among them, in one stream and alone.
            let events = calls.prefix { $0.1.isEmpty }.map(\.0)
            let many = (0..<500).map { Ledger_CertifiedEvent.sample("many-\($0)") }
            let mixed = (0..<200).map {
                Ledger_CertifiedEvent.sample("mixed-\($0)", payloadBytes: $0 % 3 * 9_500)
            }
            var streams: [([Ledger_CertifiedEvent], Metadata)] = [
                (events, [:]), ([], [:]), (many, [:]), (mixed, [:]), (many, [:]),
            ]
            for event in events { streams.append(([event], [:])) }
            streams.append(([], ["grpc-timeout": "1"]))
            streams.append(([], ["grpc-timeout": "-1S"]))
            streams.append(([.sample("late")], ["grpc-timeout": "1n"]))
            streams.append(([.sample("in time")], ["grpc-timeout": "30S"]))
            return streams
        }()

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

        @Test("so are those of a stream, in their order")
        func streamsBothWays() async throws {
            let cluster = try await EtcdCluster.sharedForLedgers()
            let direct = try await streamAnswers(directly: true, on: cluster)
            let library = try await streamAnswers(directly: false, on: cluster)
            #expect(direct.answers.count == Self.streams.count)
            #expect(direct.answers[0].results.count == Self.streams[0].0.count)
            for (ours, theirs) in zip(direct.answers, library.answers) { #expect(ours == theirs) }
            #expect(direct.submissions == library.submissions)
        }
    }
}
