import GRPCCore
package import LedgerAPI
import SwiftProtobuf

/// Calls that stay open.
extension LedgerCalls {
    /// Follows the ledger from its first event until so many have come, or the service ends it.
    package func follow(count: Int) async throws -> [Ledger_SealedEvent] {
        try await ledger.listEvents(
            .with { $0.follow = true }
        ) { response in
            var events: [Ledger_SealedEvent] = []
            do {
                for try await event in response.messages {
                    events.append(event)
                    if events.count == count { break }
                }
            } catch  where count == .max {
                // The service has stopped: that is the end that was waited for.
            }
            return events
        }
    }

    /// Watches a name in gRPC's health protocol until the service ends the call.
    package func watch(
        _ service: String
    ) async -> [Grpc_Health_V1_HealthCheckResponse.ServingStatus] {
        let answer = try? await health.watch(.with { $0.service = service }) { response in
            var statuses: [Grpc_Health_V1_HealthCheckResponse.ServingStatus] = []
            do {
                for try await answer in response.messages { statuses.append(answer.status) }
            } catch {
                // However it ends, what was seen counts.
            }
            return statuses
        }
        return answer ?? []
    }

    /// Submits events through one stream, with at most 64 unanswered, until the stream ends.
    package func submitEndlessly(_ prefix: String, _ log: SubmissionLog) async {
        let (answered, answer) = AsyncStream.makeStream(of: Void.self)
        _ = try? await ledger.submitEvents(
            requestProducer: { writer in
                var credit = answered.makeAsyncIterator()
                var number = 0
                while !Task.isCancelled {
                    number += 1
                    if number > 64 { await credit.next() }
                    let event = Ledger_CertifiedEvent.sample("\(prefix)-\(number)")
                    log.submitted(event)
                    try await writer.write(event)
                }
            },
            onResponse: { response in
                var number = 0
                for try await result in response.messages {
                    number += 1
                    // The answers come in the order of the events.
                    log.answered(.sample("\(prefix)-\(number)"), CallAnswer(result))
                    answer.yield()
                }
            })
        answer.finish()
    }
}
