/// Decides which traces are recorded, by OpenTelemetry's names (`OTEL_TRACES_SAMPLER`).
package struct Sampler: Hashable, Sendable {
    /// What decides where nobody has decided before.
    package enum Root: Hashable, Sendable {
        case alwaysOn
        case alwaysOff
        /// This part of all traces, 0...1, chosen by their ids: whoever uses the same part chooses the same traces.
        case ratio(Double)
    }

    package let root: Root
    /// Whether a caller's decision counts where there is one.
    package let isParentBased: Bool

    /// OpenTelemetry's default: everything, but what its caller does not record.
    package static let standard = Sampler(root: .alwaysOn, isParentBased: true)

    package init(root: Root, isParentBased: Bool) {
        self.root = root
        self.isParentBased = isParentBased
    }

    /// Every name that is known.
    package static let names = [
        "always_on", "always_off", "traceidratio", "parentbased_always_on",
        "parentbased_always_off", "parentbased_traceidratio",
    ]

    /// - Parameters:
    ///   - name: one of `names`.
    ///   - ratio: 0...1, for those that take a part of all traces.
    package init?(named name: String, ratio: Double) {
        let prefix = "parentbased_"
        isParentBased = name.hasPrefix(prefix)
        switch isParentBased ? String(name.dropFirst(prefix.count)) : name {
        case "always_on": root = .alwaysOn
        case "always_off": root = .alwaysOff
        case "traceidratio": root = .ratio(ratio)
        default: return nil
        }
    }

    /// The name, as it is set.
    package var name: String {
        let root =
            switch root {
            case .alwaysOn: "always_on"
            case .alwaysOff: "always_off"
            case .ratio: "traceidratio"
            }
        return isParentBased ? "parentbased_\(root)" : root
    }

    /// Whether a span is recorded.
    ///
    /// - Parameter parent: the span in which it begins, of this process or of the caller; nil for the first of a trace.
    package func samples(_ trace: TraceID, parent: SpanContext?) -> Bool {
        if isParentBased, let parent { return parent.isSampled }
        switch root {
        case .alwaysOn: return true
        case .alwaysOff: return false
        case .ratio(let part):
            if part >= 1 { return true }
            // As the implementations in other languages choose: by the last 63 bits.
            return trace.low >> 1 < UInt64(part * 0x1p63)
        }
    }
}
