import GRPCCore
import LedgerAPI

/// One part of `LEDGER_ALLOWED_SUBMITTERS` or `LEDGER_ALLOWED_READERS`: a subject alternative name, or a SPIFFE id some of
/// whose path segments are `*`.
///
/// A `*` stands for exactly one segment, whatever it is: `spiffe://domain/ns/*/sa/veps` is the service account `veps` of
/// every namespace, and nothing below it. The trust domain is never a pattern, and a `*` beside other characters of a
/// segment is none either: both would admit names that nobody had in mind.
package struct CallerPattern: Hashable, Sendable, CustomStringConvertible {
    /// The longest pattern, in bytes, as SPIFFE bounds its ids.
    package static let maxBytes = 2_048

    package static let accepted =
        "comma-separated SANs of 1...\(maxBytes) printable ASCII characters; in the path of a SPIFFE id "
        + "* may stand for a whole segment (spiffe://domain/ns/*/sa/name)"

    private static let scheme = "spiffe://"

    /// As it was set.
    package let description: String
    /// What the id's text after the scheme has between its slashes; nil where the whole name is compared.
    private let segments: [Substring]?

    /// - Returns: nil where the text is no name and no pattern.
    package init?(_ text: String) {
        let isPrintable = text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard isPrintable, (1...Self.maxBytes).contains(text.utf8.count) else { return nil }
        description = text
        guard text.contains("*") else {
            segments = nil
            return
        }
        guard text.hasPrefix(Self.scheme) else { return nil }
        let parts = Self.segments(of: text)
        guard let domain = parts.first, !domain.isEmpty, !domain.contains("*"),
            parts.dropFirst().allSatisfy({ !$0.isEmpty && ($0 == "*" || !$0.contains("*")) })
        else { return nil }
        segments = parts
    }

    /// Whether a caller's name is meant.
    func matches(_ name: String) -> Bool {
        guard let segments else { return name == description }
        guard name.hasPrefix(Self.scheme) else { return false }
        let found = Self.segments(of: name)
        return found.count == segments.count
            && zip(segments, found).allSatisfy { $0 == "*" ? !$1.isEmpty : $0 == $1 }
    }

    private static func segments(of id: String) -> [Substring] {
        id.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
    }
}

/// Who may do something: everybody, or who has one of these names in a certificate.
package struct AccessList: Sendable {
    private let names: Set<String>
    private let patterns: [CallerPattern]

    /// - Parameter patterns: none: every caller.
    package init(_ patterns: [CallerPattern]) {
        names = Set(patterns.lazy.filter { !$0.description.contains("*") }.map(\.description))
        self.patterns = patterns.filter { $0.description.contains("*") }
    }

    package var admitsEverybody: Bool { names.isEmpty && patterns.isEmpty }

    /// Checks a caller.
    ///
    /// - Parameters:
    ///   - act: what the caller wants to do, for the error: `submit`.
    ///   - consequence: what is added to it.
    package func check(
        _ caller: CallerIdentity, to act: String, consequence: String = ""
    ) throws(LedgerRPCError) {
        if admitsEverybody { return }
        guard !caller.names.isEmpty else {
            throw LedgerRPCError(
                .unauthenticated, .notAuthenticated,
                "a client certificate with a name is required to \(act)\(consequence)")
        }
        let isAllowed = caller.names.contains { name in
            names.contains(name) || patterns.contains { $0.matches(name) }
        }
        guard isAllowed else {
            throw LedgerRPCError(
                .permissionDenied, .notAllowed, "this caller may not \(act)\(consequence)")
        }
    }
}
