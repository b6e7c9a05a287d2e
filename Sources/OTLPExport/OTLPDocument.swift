import TextFormats

/// `ExportTraceServiceRequest` of OTLP 1.x in its JSON form: names in lowerCamelCase, ids in hex, 64-bit integers as text,
/// enumerations as numbers.
package struct OTLPDocument {
    package private(set) var bytes: [UInt8] = []

    /// - Parameters:
    ///   - resource: who has recorded the spans.
    ///   - scope: the part of the program that has, and its version.
    package init(
        _ spans: [SpanRecord], resource: [SpanRecord.Attribute],
        scope: (name: String, version: String)
    ) {
        bytes.reserveCapacity(spans.count * 640 + 1_024)
        put(#"{"resourceSpans":[{"resource":{"attributes":"#)
        put(resource)
        put(#"},"scopeSpans":[{"scope":{"name":"#)
        quote(scope.name)
        put(#","version":"#)
        quote(scope.version)
        put(#"},"spans":["#)
        for (index, span) in spans.enumerated() {
            if index > 0 { put(",") }
            put(span)
        }
        put("]}]}]}")
    }

    private mutating func put(_ span: SpanRecord) {
        put(#"{"traceId":""#)
        put(span.context.traceID.hex)
        put(#"","spanId":""#)
        put(span.context.spanID.hex)
        if let parent = span.parent {
            put(#"","parentSpanId":""#)
            put(parent.hex)
        }
        put(#"","name":"#)
        quote(span.name)
        put(",\"kind\":\(span.kind.rawValue)")
        put(",\"startTimeUnixNano\":\"\(span.start)\",\"endTimeUnixNano\":\"\(span.end)\"")
        put(#","attributes":"#)
        put(span.attributes)
        put("droppedAttributesCount", span.droppedAttributes)
        if !span.events.isEmpty { put(span.events) }
        put("droppedEventsCount", span.droppedEvents)
        if !span.links.isEmpty { put(span.links) }
        put("droppedLinksCount", span.droppedLinks)
        put(#","status":{"#)
        if let status = span.status {
            put("\"code\":\(status.isError ? 2 : 1)")
            if !status.message.isEmpty {
                put(#","message":"#)
                quote(status.message)
            }
        }
        put("}}")
    }

    private mutating func put(_ events: [SpanRecord.Event]) {
        put(#","events":["#)
        for (index, event) in events.enumerated() {
            put(index > 0 ? "," : "")
            put("{\"timeUnixNano\":\"\(event.time)\",\"name\":")
            quote(event.name)
            put(#","attributes":"#)
            put(event.attributes)
            put("}")
        }
        put("]")
    }

    private mutating func put(_ links: [SpanRecord.Link]) {
        put(#","links":["#)
        for (index, link) in links.enumerated() {
            put(index > 0 ? "," : "")
            put("{\"traceId\":\"\(link.context.traceID.hex)\"")
            put(",\"spanId\":\"\(link.context.spanID.hex)\",\"attributes\":")
            put(link.attributes)
            put("}")
        }
        put("]")
    }

    private mutating func put(_ attributes: [SpanRecord.Attribute]) {
        put("[")
        for (index, attribute) in attributes.enumerated() {
            put(index > 0 ? #",{"key":"# : #"{"key":"#)
            quote(attribute.key)
            put(#","value":"#)
            put(attribute.value)
            put("}")
        }
        put("]")
    }

    private mutating func put(_ value: SpanRecord.Value) {
        switch value {
        case .text(let text):
            put(#"{"stringValue":"#)
            quote(text)
        case .integer(let number): put("{\"intValue\":\"\(number)\"")
        // JSON has no number for what is none; protobuf's JSON has a text.
        case .number(let number) where number.isNaN: put(#"{"doubleValue":"NaN""#)
        case .number(let number) where number.isInfinite:
            put("{\"doubleValue\":\"\(number < 0 ? "-" : "")Infinity\"")
        case .number(let number): put("{\"doubleValue\":\(number)")
        case .flag(let flag): put("{\"boolValue\":\(flag)")
        case .list(let values):
            put(#"{"arrayValue":{"values":["#)
            for (index, value) in values.enumerated() {
                if index > 0 { put(",") }
                put(value)
            }
            put("]}")
        }
        put("}")
    }

    /// A count that is left out where it is zero.
    private mutating func put(_ name: String, _ count: Int) {
        if count > 0 { put(",\"\(name)\":\(count)") }
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func quote(_ text: String) { JSONString.append(text, to: &bytes) }
}
