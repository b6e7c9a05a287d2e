import Synchronization

/// The metrics of this process, and their text form for Prometheus.
///
/// It is bounded: beyond `maxFamilies` names or `maxSeriesPerFamily` label sets a new handle still
/// works but is not shown, so that no label from outside can fill the memory.
package final class PrometheusRegistry: Sendable {
    /// How many metric names are shown.
    package static let maxFamilies = 256
    /// How many label sets of one name are shown.
    package static let maxSeriesPerFamily = 256

    let families = Mutex<[String: PrometheusFamily]>([:])

    /// Makes an empty registry.
    package init() {}

    /// The counter of that name and labels, made on first use.
    package func counter(
        _ name: String, help: String, labels: [PrometheusLabel] = []
    ) -> PrometheusCounter {
        let source = register(name, .counter, help, labels) { .counter(PrometheusCounter()) }
        guard case .counter(let handle) = source else { return PrometheusCounter() }
        return handle
    }

    /// The gauge of that name and labels, made on first use.
    package func gauge(
        _ name: String, help: String, labels: [PrometheusLabel] = []
    ) -> PrometheusGauge {
        let source = register(name, .gauge, help, labels) { .gauge(PrometheusGauge()) }
        guard case .gauge(let handle) = source else { return PrometheusGauge() }
        return handle
    }

    /// The histogram of that name and labels, made on first use with these bounds.
    package func histogram(
        _ name: String, help: String, labels: [PrometheusLabel] = [], bounds: [Double]
    ) -> PrometheusHistogram {
        let source = register(name, .histogram, help, labels) {
            .histogram(PrometheusHistogram(bounds: bounds))
        }
        guard case .histogram(let handle) = source else {
            return PrometheusHistogram(bounds: bounds)
        }
        return handle
    }

    /// A series whose value is asked for at every scrape; nil leaves it out.
    package func sampled(
        _ name: String, _ type: PrometheusType, help: String, labels: [PrometheusLabel] = [],
        value: @escaping @Sendable () -> Double?
    ) {
        _ = register(name, type, help, labels) { .sampled(value) }
    }

    /// The series that exists or now comes into being; nil where it may not be shown, because the
    /// name has another type already or a bound is reached.
    private func register(
        _ name: String, _ type: PrometheusType, _ help: String, _ labels: [PrometheusLabel],
        make: () -> PrometheusFamily.Source
    ) -> PrometheusFamily.Source? {
        let name = PrometheusName.sanitized(name, allowsColon: true)
        let labels = Self.normalized(labels)
        return families.withLock { families in
            var family = families[name] ?? PrometheusFamily(type: type, help: help)
            guard family.type == type else { return nil }
            if let existing = family.series[labels] {
                return existing
            }
            guard families[name] != nil || families.count < Self.maxFamilies,
                family.series.count < Self.maxSeriesPerFamily
            else { return nil }
            let source = make()
            family.series[labels] = source
            families[name] = family
            return source
        }
    }

    /// Sorted by name, each name once, without `le`, which a histogram's buckets own.
    private static func normalized(_ labels: [PrometheusLabel]) -> [PrometheusLabel] {
        var byName: [String: PrometheusLabel] = [:]
        for label in labels where label.name != "le" {
            byName[label.name] = label
        }
        return byName.values.sorted { $0.name < $1.name }
    }
}
