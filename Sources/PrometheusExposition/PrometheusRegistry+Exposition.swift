import Synchronization

extension PrometheusRegistry {
    /// How metrics are written.
    package enum Format: Sendable {
        /// Prometheus' text format 0.0.4.
        case text
        /// OpenMetrics 1.0.
        case openMetrics

        /// The content type of what `exposition` writes.
        package var contentType: String {
            switch self {
            case .text: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "\(Self.openMetricsType); version=1.0.0; charset=utf-8"
            }
        }

        /// What an asker names who takes OpenMetrics.
        package static let openMetricsType = "application/openmetrics-text"

        /// What HELP and TYPE call a metric: in OpenMetrics a counter's samples alone have the suffix.
        fileprivate func family(_ name: String, _ type: PrometheusType) -> String {
            let suffix = "_total"
            guard self == .openMetrics, type == .counter, name.hasSuffix(suffix) else {
                return name
            }
            return String(name.dropLast(suffix.count))
        }

        /// A bucket's bound: OpenMetrics writes whole ones as `1.0`.
        fileprivate func bound(_ bound: Double) -> String {
            let text = PrometheusRegistry.format(bound)
            return self == .openMetrics && text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 })
                ? text + ".0" : text
        }
    }

    /// Every metric, ascending by name and labels.
    package func exposition(_ format: Format = .text) -> String {
        // Sampled values are asked for outside the lock: they read files and take other locks.
        let families = families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            Self.append(family, named: name, as: format, to: &text)
        }
        if format == .openMetrics { text += "# EOF\n" }
        return text
    }

    private static func append(
        _ family: PrometheusFamily, named name: String, as written: Format, to text: inout String
    ) {
        let series = family.series.sorted { Self.order($0.key) < Self.order($1.key) }
        var lines = ""
        for (labels, source) in series {
            switch source {
            case .counter(let handle):
                lines += "\(name)\(format(labels)) \(handle.total)\n"
            case .gauge(let handle):
                lines += "\(name)\(format(labels)) \(format(handle.value))\n"
            case .sampled(let value):
                guard let value = value() else { continue }
                lines += "\(name)\(format(labels)) \(format(value))\n"
            case .histogram(let handle):
                append(handle, named: name, labels: labels, as: written, to: &lines)
            }
        }
        guard !lines.isEmpty else { return }
        let title = written.family(name, family.type)
        // OpenMetrics escapes quotes there too.
        let help = escape(family.help, quotes: written == .openMetrics)
        text += "# HELP \(title) \(help)\n"
        text += "# TYPE \(title) \(family.type.rawValue)\n"
        text += lines
    }

    private static func append(
        _ histogram: PrometheusHistogram, named name: String, labels: [PrometheusLabel],
        as written: Format, to text: inout String
    ) {
        let snapshot = histogram.snapshot
        for (bound, count) in zip(histogram.bounds, snapshot.cumulativeCounts) {
            text += "\(name)_bucket\(format(labels, le: written.bound(bound))) \(count)\n"
        }
        text += "\(name)_bucket\(format(labels, le: "+Inf")) \(snapshot.count)\n"
        text += "\(name)_sum\(format(labels)) \(format(snapshot.sum))\n"
        text += "\(name)_count\(format(labels)) \(snapshot.count)\n"
    }

    private static func format(_ labels: [PrometheusLabel], le: String? = nil) -> String {
        var pairs = labels.map { "\($0.name)=\"\(escapedLabel($0.value))\"" }
        if let le {
            pairs.append("le=\"\(le)\"")
        }
        return pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
    }

    /// The shortest form that gives the same number back.
    static func format(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 { return "\(whole)" }
        return "\(value)"
    }

    private static func order(_ labels: [PrometheusLabel]) -> String {
        labels.map { "\($0.name)\u{0}\($0.value)" }.joined(separator: "\u{0}")
    }

    private static func escapedLabel(_ value: String) -> String {
        escape(value, quotes: true)
    }

    /// Scalar by scalar: a line feed after a carriage return is no character of its own.
    private static func escape(_ value: String, quotes: Bool) -> String {
        var result = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": result.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\"" where quotes: result.append(contentsOf: "\\\"".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
