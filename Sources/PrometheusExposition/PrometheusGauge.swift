import Synchronization

/// A value that goes up and down.
package final class PrometheusGauge: Sendable {
    private let bits = Atomic<UInt64>(Double(0).bitPattern)

    /// Makes a gauge that belongs to no registry yet.
    package init() {}

    /// The present value.
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    package func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }
}
