/// The spans that wait to be exported: bounded in number and in bytes. What does not fit is not taken.
package struct SpanQueue: Sendable {
    /// How much waits, and how much goes out together.
    package struct Bounds: Sendable, Hashable {
        /// Spans that wait (`OTEL_BSP_MAX_QUEUE_SIZE`).
        package var spans = 2_048
        /// About the bytes that they take.
        package var bytes = 4 << 20
        /// Spans of one request (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
        package var batchSpans = 512
        /// About the bytes of one request.
        package var batchBytes = 1 << 20

        package init() {}
    }

    package let bounds: Bounds
    private var spans: [SpanRecord] = []
    package private(set) var byteCount = 0

    package init(_ bounds: Bounds) {
        self.bounds = bounds
    }

    package var count: Int { spans.count }

    /// Whether there is enough for a whole request.
    package var hasBatch: Bool {
        count >= bounds.batchSpans || byteCount >= bounds.batchBytes
    }

    /// - Returns: whether there was room.
    package mutating func add(_ span: SpanRecord) -> Bool {
        let bytes = span.byteCount
        guard count < bounds.spans, byteCount + bytes <= bounds.bytes else { return false }
        spans.append(span)
        byteCount += bytes
        return true
    }

    /// Takes out the oldest ones for one request; at least one where there is any.
    package mutating func takeBatch() -> [SpanRecord] {
        var bytes = 0
        var taken = 0
        for span in spans.prefix(bounds.batchSpans) {
            let more = span.byteCount
            if taken > 0, bytes + more > bounds.batchBytes { break }
            bytes += more
            taken += 1
        }
        let batch = Array(spans.prefix(taken))
        spans.removeFirst(taken)
        byteCount -= bytes
        return batch
    }
}
