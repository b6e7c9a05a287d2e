package import CoreMetrics

/// What the libraries below this service record through swift-metrics appears beside its own.
extension PrometheusRegistry: MetricsFactory {
    /// Bounds for timers of libraries, in seconds.
    package static let defaultTimerBounds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// Bounds for recorders of libraries, without a unit.
    package static let defaultRecorderBounds: [Double] = [
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000, 100_000, 1_000_000,
    ]

    private static let help = "Recorded by a library through swift-metrics."

    package func makeCounter(
        label: String, dimensions: [(String, String)]
    ) -> any CounterHandler {
        counter(label, help: Self.help, labels: Self.labels(dimensions))
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        floatingPointCounter(label, help: Self.help, labels: Self.labels(dimensions))
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        gauge(label, help: Self.help, labels: Self.labels(dimensions))
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else {
            return gauge(label, help: Self.help, labels: Self.labels(dimensions))
        }
        return histogram(
            label, help: Self.help, labels: Self.labels(dimensions),
            bounds: Self.defaultRecorderBounds)
    }

    /// A timer is shown in seconds, which is Prometheus' unit.
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(
            label, help: Self.help, labels: Self.labels(dimensions),
            bounds: Self.defaultTimerBounds)
    }

    package func destroyCounter(_ handler: any CounterHandler) {
        remove(ObjectIdentifier(handler))
    }

    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        remove(ObjectIdentifier(handler))
    }

    package func destroyMeter(_ handler: any MeterHandler) {
        remove(ObjectIdentifier(handler))
    }

    package func destroyRecorder(_ handler: any RecorderHandler) {
        remove(ObjectIdentifier(handler))
    }

    package func destroyTimer(_ handler: any TimerHandler) {
        remove(ObjectIdentifier(handler))
    }

    private static func labels(_ dimensions: [(String, String)]) -> [PrometheusLabel] {
        dimensions.map { PrometheusLabel($0.0, $0.1) }
    }
}
