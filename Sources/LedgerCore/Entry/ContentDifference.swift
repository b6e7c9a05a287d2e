/// The fields in which two events of one event id have other content (formats.md, "Entry").
///
/// Signature and submitter are not among them: they may differ between honest retries.
package struct ContentDifference: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static let payload = ContentDifference(rawValue: 1 << 0)
    package static let vepsTimestamp = ContentDifference(rawValue: 1 << 1)
    package static let metadata = ContentDifference(rawValue: 1 << 2)
    /// All that this version knows.
    package static let known: ContentDifference = [.payload, .vepsTimestamp, .metadata]

    /// The names of the fields as the API has them, in a fixed order; never their content.
    package var names: [String] {
        Self.named.filter { contains($0.field) }.map(\.name)
    }

    private static let named: [(field: ContentDifference, name: String)] = [
        (.payload, "payload"), (.vepsTimestamp, "veps_timestamp"), (.metadata, "metadata"),
    ]
}

extension CertifiedEvent {
    /// The fields in which this event's content is not the other's, as bytes; meant for two events of one event id.
    package func difference(from other: CertifiedEvent) -> ContentDifference {
        var difference: ContentDifference = []
        if payload != other.payload { difference.insert(.payload) }
        if vepsTimestamp != other.vepsTimestamp { difference.insert(.vepsTimestamp) }
        if metadata != other.metadata { difference.insert(.metadata) }
        return difference
    }
}
