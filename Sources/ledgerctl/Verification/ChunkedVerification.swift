internal import LedgerClient

/// Has the service verify a range in parts, so that it is known how far it is, and no call takes for ever.
///
/// The last event of each part is checked against the first of the next, so nothing is left out between them.
struct ChunkedVerification {
    let client: LedgerClient

    /// How many events one call verifies.
    let chunkEvents: UInt64

    /// - Parameters:
    ///   - first: The first number; 0 means 1.
    ///   - last: The last number; 0 means the last event there is when the last part is verified.
    func run(first: UInt64, last: UInt64) async throws -> VerificationReport {
        let begin = max(first, 1)
        let end = last == 0 ? try await client.health().lastSequenceNumber : last
        var progress = RangeProgress(first: begin, last: end, verb: "verified")
        defer { progress.clear() }
        var verified: UInt64 = 0
        var next = begin
        while end >= next, end - next >= chunkEvents {
            var part = try await client.verify(first: next, last: next + chunkEvents - 1)
            guard part.isValid else {
                part.eventsVerified += verified
                part.first = begin
                return part
            }
            verified += part.eventsVerified
            next += chunkEvents
            progress.draw(through: next - 1)
        }
        var rest = try await client.verify(first: next == begin ? first : next, last: last)
        rest.eventsVerified += verified
        if verified > 0 { rest.first = begin }
        return rest
    }
}
