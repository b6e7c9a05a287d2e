import Synchronization

/// A value that only grows.
package final class PrometheusCounter: Sendable {
    private let value = Atomic<Int64>(0)

    /// Makes a counter that belongs to no registry yet.
    package init() {}

    /// The present total.
    package var total: Int64 { value.load(ordering: .relaxed) }

    /// Adds one.
    package func increment() {
        increment(by: 1)
    }

    /// Adds `amount`; what is not positive changes nothing, and the total stops at its maximum.
    package func increment(by amount: Int64) {
        guard amount > 0 else { return }
        var total = value.load(ordering: .relaxed)
        while true {
            let (sum, overflows) = total.addingReportingOverflow(amount)
            let (exchanged, original) = value.weakCompareExchange(
                expected: total, desired: overflows ? .max : sum, ordering: .relaxed)
            if exchanged { return }
            total = original
        }
    }
}
