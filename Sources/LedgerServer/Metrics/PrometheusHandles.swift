import CoreMetrics
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
}

extension PrometheusCounter: CounterHandler {
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

    package func reset() {
        value.store(0, ordering: .relaxed)
    }
}

/// A value that only grows, in fractions.
package final class PrometheusFloatingPointCounter: Sendable, FloatingPointCounterHandler {
    private let value = Mutex(0.0)

    /// The present total.
    package var total: Double { value.withLock { $0 } }

    package func increment(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        value.withLock { $0 += amount }
    }

    package func reset() {
        value.withLock { $0 = 0 }
    }
}

/// A value that goes up and down.
package final class PrometheusGauge: Sendable {
    private let bits = Atomic<UInt64>(Double(0).bitPattern)

    /// Makes a gauge that belongs to no registry yet.
    package init() {}

    /// The present value.
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

extension PrometheusGauge: MeterHandler, RecorderHandler {
    package func set(_ value: Int64) {
        set(Double(value))
    }

    package func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    package func increment(by amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let (exchanged, original) = bits.weakCompareExchange(
                expected: old, desired: (Double(bitPattern: old) + amount).bitPattern,
                ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }

    package func decrement(by amount: Double) {
        increment(by: -amount)
    }

    /// A recorder that does not aggregate keeps the last value.
    package func record(_ value: Int64) {
        set(value)
    }

    package func record(_ value: Double) {
        set(value)
    }
}
