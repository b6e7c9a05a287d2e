/// The media types that an asker takes, by its header `accept` (RFC 9110, section 12.5.1).
package struct AcceptedMedia: Sendable {
    /// So many are looked at; a header has no more bytes than its port takes.
    private static let maxRanges = 32

    private var qualities: [String: Double] = [:]

    /// - Parameter header: several headers of the name are one, with commas between them.
    package init(_ header: String?) {
        for range in (header ?? "").split(separator: ",").prefix(Self.maxRanges) {
            let parts = range.split(separator: ";").map { Self.trimmed($0).lowercased() }
            guard let type = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }
            let quality = weight.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            guard quality.isFinite else { continue }
            // Of one type with several parameters the best.
            qualities[type] = max(qualities[type] ?? 0, min(max(quality, 0), 1))
        }
    }

    /// Whether an asker names `type` itself, and likes it no less than `other`.
    package func prefers(_ type: String, to other: String) -> Bool {
        guard let quality = qualities[type], quality > 0 else { return false }
        return quality >= qualities[other] ?? 0
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
