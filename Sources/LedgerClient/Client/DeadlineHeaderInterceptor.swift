internal import GRPCCore

/// Sends a call's deadline in whole milliseconds.
///
/// The library writes what is left of 100 ms as up to eight digits of nanoseconds and a unit, and
/// its own server takes at most eight characters in all: it would ignore nearly every deadline
/// below 100 ms. Rounding down keeps the service's answer ahead of the local timer.
struct DeadlineHeaderInterceptor: ClientInterceptor {
    private static let header = "grpc-timeout"

    @concurrent
    func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingClientRequest<Input>,
        context: ClientContext,
        next:
            @concurrent (
                _ request: StreamingClientRequest<Input>, _ context: ClientContext
            ) async throws -> StreamingClientResponse<Output>
    ) async throws -> StreamingClientResponse<Output> {
        var request = request
        if let value = request.metadata[stringValues: Self.header].first(where: { _ in true }),
            let milliseconds = Self.milliseconds(value)
        {
            request.metadata.replaceOrAddString("\(milliseconds)m", forKey: Self.header)
        }
        return try await next(request, context)
    }

    /// The whole milliseconds in a value of nanoseconds or microseconds, at least 1 and at most
    /// seven digits; nil for other units, which are coarse enough as they are.
    static func milliseconds(_ value: String) -> Int64? {
        guard let unit = value.last, let amount = Int64(value.dropLast()) else { return nil }
        switch unit {
        case "n": return min(max(amount / 1_000_000, 1), 9_999_999)
        case "u": return min(max(amount / 1_000, 1), 9_999_999)
        default: return nil
        }
    }
}
