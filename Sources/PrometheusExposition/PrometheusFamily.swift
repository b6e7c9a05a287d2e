/// What Prometheus calls a metric's type.
package enum PrometheusType: String, Sendable {
    case counter
    case gauge
    case histogram
}

/// A name and value that tell one series of a metric from the others.
package struct PrometheusLabel: Sendable, Hashable {
    /// A valid label name.
    package let name: String
    /// Any text.
    package let value: String

    /// Makes a label; characters that a label name cannot have become `_`.
    package init(_ name: String, _ value: String) {
        self.name = PrometheusName.sanitized(name, allowsColon: false)
        self.value = value
    }
}

/// The rules for names in the exposition format.
enum PrometheusName {
    /// Replaces what a name cannot have by `_`.
    static func sanitized(_ name: String, allowsColon: Bool) -> String {
        var result = ""
        for scalar in name.unicodeScalars {
            let isValid =
                switch scalar {
                case "a"..."z", "A"..."Z", "_": true
                case "0"..."9": !result.isEmpty
                case ":": allowsColon
                default: false
                }
            if isValid {
                result.unicodeScalars.append(scalar)
            } else {
                result += "_"
            }
        }
        return result.isEmpty ? "_" : result
    }
}

/// One metric: a name, a type, and its series by their labels.
struct PrometheusFamily: Sendable {
    /// Where a series' value comes from.
    enum Source: Sendable {
        case counter(PrometheusCounter)
        case gauge(PrometheusGauge)
        case histogram(PrometheusHistogram)
        /// Asked at every scrape; nil leaves the series out.
        case sampled(@Sendable () -> Double?)
    }

    let type: PrometheusType
    let help: String
    var series: [[PrometheusLabel]: Source] = [:]
}
