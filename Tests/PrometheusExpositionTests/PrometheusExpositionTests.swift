import Testing

@testable import PrometheusExposition

@Suite("Prometheus' text format")
struct PrometheusExpositionTests {
    private let registry = PrometheusRegistry()

    @Test("Metrics are ascending by name and labels, each with HELP and TYPE once")
    func order() {
        registry.gauge("b_gauge", help: "A gauge.").set(1.5)
        registry.counter("a_total", help: "A counter.", labels: [.init("x", "2")]).increment()
        registry.counter("a_total", help: "A counter.", labels: [.init("x", "1")])
            .increment(by: 41)
        #expect(
            registry.exposition() == """
                # HELP a_total A counter.
                # TYPE a_total counter
                a_total{x="1"} 41
                a_total{x="2"} 1
                # HELP b_gauge A gauge.
                # TYPE b_gauge gauge
                b_gauge 1.5

                """)
    }

    @Test("A histogram's buckets are cumulative, with its bounds included, and end in +Inf")
    func histogram() {
        let histogram = registry.histogram(
            "h_seconds", help: "H.", labels: [.init("op", "r")], bounds: [0.1, 0.05, 1])
        for value in [0.05, 0.06, 0.1, 0.5, 7, .nan, .infinity] {
            histogram.observe(value)
        }
        #expect(
            registry.exposition() == """
                # HELP h_seconds H.
                # TYPE h_seconds histogram
                h_seconds_bucket{op="r",le="0.05"} 1
                h_seconds_bucket{op="r",le="0.1"} 3
                h_seconds_bucket{op="r",le="1"} 4
                h_seconds_bucket{op="r",le="+Inf"} 5
                h_seconds_sum{op="r"} 7.71
                h_seconds_count{op="r"} 5

                """)
    }

    @Test(
        "OpenMetrics names counters without their suffix, writes whole bounds as 1.0, and ends in EOF"
    )
    func openMetrics() {
        registry.counter("a_total", help: "A \"counter\".").increment()
        registry.gauge("b", help: "B.").set(2)
        registry.histogram("h", help: "H.", bounds: [0.05, 1, 10]).observe(0.5)
        #expect(
            registry.exposition(.openMetrics) == """
                # HELP a A \\"counter\\".
                # TYPE a counter
                a_total 1
                # HELP b B.
                # TYPE b gauge
                b 2
                # HELP h H.
                # TYPE h histogram
                h_bucket{le="0.05"} 0
                h_bucket{le="1.0"} 1
                h_bucket{le="10.0"} 1
                h_bucket{le="+Inf"} 1
                h_sum 0.5
                h_count 1
                # EOF

                """)
        #expect(!registry.exposition().contains("EOF"))
    }

    @Test("Several values at once count like one after another, without those that are no numbers")
    func several() {
        let values = [0.05, 0.06, 0.5, 7, .nan, .infinity]
        let one = PrometheusHistogram(bounds: [0.05, 1])
        let other = PrometheusHistogram(bounds: [0.05, 1])
        for value in values { one.observe(value) }
        other.observe(contentsOf: values)
        #expect(one.snapshot == other.snapshot)
        #expect(one.snapshot.count == 4)
    }

    @Test("Label values, help texts and names are escaped")
    func escaping() {
        registry.counter(
            "1a.b-c", help: "Line\nand \\ and \"quotes\".",
            labels: [.init("a.b", "q\"b\\n\r\nz")]
        ).increment()
        #expect(
            registry.exposition()
                == "# HELP _a_b_c Line\\nand \\\\ and \"quotes\".\n"
                + "# TYPE _a_b_c counter\n"
                + "_a_b_c{a_b=\"q\\\"b\\\\n\r\\nz\"} 1\n")
    }

    @Test(
        "Numbers are as Prometheus reads them",
        arguments: [
            (0.0, "0"), (-0.0, "0"), (0.05, "0.05"), (1.0, "1"), (1e15, "1000000000000000"),
            (1e300, "1e+300"), (.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
        ])
    func numbers(_ value: Double, _ text: String) {
        #expect(PrometheusRegistry.format(value) == text)
    }

    @Test("The same name and labels, in whatever order, give the same series")
    func identity() {
        let labels = [PrometheusLabel("a", "1"), PrometheusLabel("b", "2")]
        let first = registry.counter("c_total", help: "", labels: labels)
        let second = registry.counter("c_total", help: "", labels: labels.reversed())
        #expect(first === second)
    }

    @Test("A name that has another type already gives a handle that works and is not shown")
    func conflict() {
        registry.counter("x", help: "").increment()
        let gauge = registry.gauge("x", help: "")
        gauge.set(5.0)
        #expect(gauge.value == 5)
        #expect(registry.exposition().contains("x 1\n"))
    }

    @Test("Labels from outside cannot fill the memory")
    func bounds() {
        for index in 0..<(PrometheusRegistry.maxSeriesPerFamily + 50) {
            registry.counter("many_total", help: "", labels: [.init("i", "\(index)")]).increment()
        }
        for index in 0..<(PrometheusRegistry.maxFamilies + 50) {
            registry.counter("family_\(index)_total", help: "").increment()
        }
        let lines = registry.exposition().split(separator: "\n").filter { !$0.hasPrefix("#") }
        let many = lines.filter { $0.hasPrefix("many_total") }
        #expect(many.count == PrometheusRegistry.maxSeriesPerFamily)
        #expect(lines.count - many.count == PrometheusRegistry.maxFamilies - 1)
    }

    @Test("A counter never falls and never overflows")
    func counter() {
        let counter = registry.counter("c_total", help: "")
        counter.increment(by: 5)
        counter.increment(by: -3)
        #expect(counter.total == 5)
        counter.increment(by: .max)
        #expect(counter.total == .max)
    }

    @Test("Many tasks counting at once lose nothing")
    func concurrency() async {
        let counter = registry.counter("c_total", help: "")
        let histogram = registry.histogram("h", help: "", bounds: [1])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        counter.increment()
                        histogram.observe(0.5)
                    }
                }
            }
        }
        #expect(counter.total == 8000)
        #expect(histogram.snapshot.count == 8000)
    }
}
