import Instrumentation
import Synchronization
package import Tracing

/// A span of an `OTLPTracer`: handed to the exporter when it ends. One that is not sampled keeps nothing.
package final class OTLPSpan: Tracing.Span {
    private struct State {
        var name: String
        var attributes = SpanAttributes()
        var events: [SpanRecord.Event] = []
        var droppedEvents = 0
        var links: [SpanRecord.Link] = []
        var droppedLinks = 0
        var status: SpanRecord.Status?
        var hasEnded = false
    }

    package let context: InstrumentationContext
    private let own: SpanContext
    private let parent: SpanID?
    private let kind: SpanKind
    private let start: UInt64
    private let state: Mutex<State>
    /// Nil where the span is not sampled.
    private let take: (@Sendable (SpanRecord) -> Void)?

    init(
        _ name: String, _ own: SpanContext, in context: InstrumentationContext, parent: SpanID?,
        kind: SpanKind, start: UInt64, take: (@Sendable (SpanRecord) -> Void)?
    ) {
        self.own = own
        self.context = context
        self.parent = parent
        self.kind = kind
        self.start = start
        self.take = take
        state = Mutex(State(name: take == nil ? "" : name))
    }

    package var isRecording: Bool { take != nil && !state.withLock { $0.hasEnded } }

    package var operationName: String {
        get { state.withLock { $0.name } }
        set { change { $0.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { change { $0.attributes = newValue } }
    }

    package func setStatus(_ status: SpanStatus) {
        change {
            $0.status = SpanRecord.Status(
                isError: status.code == .error, message: status.message ?? "")
        }
    }

    package func addEvent(_ event: SpanEvent) {
        change {
            guard $0.events.count < SpanRecord.Bounds.events else {
                $0.droppedEvents += 1
                return
            }
            $0.events.append(
                SpanRecord.Event(
                    name: event.name, time: event.nanosecondsSinceEpoch,
                    attributes: event.attributes.records))
        }
    }

    /// Records the error's type alone: what an error says may hold what no span may.
    package func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        var attributes = attributes
        attributes["exception.type"] = String(reflecting: type(of: error))
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: attributes))
    }

    package func addLink(_ link: SpanLink) {
        guard let context = link.context.spanContext else { return }
        change {
            guard $0.links.count < SpanRecord.Bounds.links else {
                $0.droppedLinks += 1
                return
            }
            $0.links.append(
                SpanRecord.Link(context: context, attributes: link.attributes.records))
        }
    }

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard let take else { return }
        let ended = state.withLock { state -> State? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            return state
        }
        guard let ended else { return }
        var record = SpanRecord(
            own, parent: parent, name: ended.name, kind: SpanRecord.Kind(kind), start: start,
            end: instant().nanosecondsSinceEpoch)
        record.set(ended.attributes.records)
        record.set(ended.events, dropped: ended.droppedEvents)
        record.set(ended.links, dropped: ended.droppedLinks)
        record.status = ended.status
        take(record)
    }

    private func change(_ change: (inout State) -> Void) {
        guard take != nil else { return }
        state.withLock { if !$0.hasEnded { change(&$0) } }
    }
}

extension SpanRecord.Kind {
    fileprivate init(_ kind: SpanKind) {
        self =
            switch kind {
            case .server: .server
            case .client: .client
            case .producer: .producer
            case .consumer: .consumer
            case .internal: .internal
            }
    }
}

extension SpanAttributes {
    /// All of them, cut to their bounds.
    fileprivate var records: [SpanRecord.Attribute] {
        var records: [SpanRecord.Attribute] = []
        records.reserveCapacity(count)
        forEach { key, attribute in
            if let value = SpanRecord.Value(attribute) { records.append(.init(key, value)) }
        }
        return records
    }
}

extension SpanRecord.Value {
    fileprivate init?(_ attribute: SpanAttribute) {
        func list<Element>(_ elements: [Element], _ value: (Element) -> Self) -> Self {
            .list(elements.prefix(SpanRecord.Bounds.elements).map(value))
        }
        func text(_ text: String) -> Self {
            .text(Bounded.text(text, SpanRecord.Bounds.textBytes))
        }
        switch attribute {
        case .int32(let number): self = .integer(Int64(number))
        case .int64(let number): self = .integer(number)
        case .double(let number): self = .number(number)
        case .bool(let flag): self = .flag(flag)
        case .string(let value): self = text(value)
        case .stringConvertible(let value): self = text(value.description)
        case .int32Array(let numbers): self = list(numbers) { .integer(Int64($0)) }
        case .int64Array(let numbers): self = list(numbers) { .integer($0) }
        case .doubleArray(let numbers): self = list(numbers) { .number($0) }
        case .boolArray(let flags): self = list(flags) { .flag($0) }
        case .stringArray(let texts): self = list(texts) { text($0) }
        case .stringConvertibleArray(let values): self = list(values) { text($0.description) }
        default: return nil
        }
    }
}

/// Under which a context carries where it is.
private enum SpanContextKey: InstrumentationContextKey {
    typealias Value = SpanContext
}

extension InstrumentationContext {
    /// The span that work in this context belongs to, where an `OTLPTracer` has made the context.
    package internal(set) var spanContext: SpanContext? {
        get { self[SpanContextKey.self] }
        set { self[SpanContextKey.self] = newValue }
    }
}
