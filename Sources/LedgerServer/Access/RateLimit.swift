/// So many events a second, and how many at once: a value of `LEDGER_RATE_LIMIT` and `LEDGER_RATE_LIMIT_PER_SUBMITTER`.
package struct RateLimit: Hashable, Sendable, CustomStringConvertible {
    package static let bounds = 1...10_000_000
    package static let accepted =
        "events a second, and after a slash how many may come at once: 100 or 100/200, each of "
        + "\(bounds.lowerBound)...\(bounds.upperBound)"

    /// Events a second.
    package let rate: Int
    /// Events that may come at once after a rest: those of one second, where nothing else is said.
    package let burst: Int

    package init(rate: Int, burst: Int? = nil) {
        precondition(Self.bounds.contains(rate) && Self.bounds.contains(burst ?? rate))
        self.rate = rate
        self.burst = burst ?? rate
    }

    /// Reads `100` or `100/200`; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part -> Int? in
            guard part.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                let number = Int(part), Self.bounds.contains(number)
            else { return nil }
            return number
        }
        guard (1...2).contains(parts.count), numbers.count == parts.count else { return nil }
        self.init(rate: numbers[0], burst: numbers.last)
    }

    package var description: String { burst == rate ? "\(rate)" : "\(rate)/\(burst)" }
}
