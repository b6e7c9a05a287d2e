package import Foundation

/// Times as people and collectors read them.
package enum Timestamp {
    /// RFC 3339 in UTC with milliseconds, for example `2025-01-31T12:00:00.000Z`.
    package static func rfc3339(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
