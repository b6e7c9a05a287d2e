import HTTPTransport
import OTLPExport

extension ServiceConfiguration {
    /// Where spans go, and which.
    mutating func readTraces(_ reader: SettingReader) {
        traces.ownEndpoint = Self.location(reader, .tracesEndpoint)
        traces.commonEndpoint = Self.location(reader, .traceEndpoint)
        readTraceFiles(reader)
        readTraceHeaders(reader)
        traces.timeout = reader.milliseconds(.traceTimeout, default: 10_000, 1...60_000)
        traces.delay = reader.milliseconds(.traceDelay, default: 5_000, 100...60_000)
        readSampler(reader)
        readTraceQueue(reader)
        readTraceResource(reader)
    }

    private static func location(_ reader: SettingReader, _ name: SettingName) -> HTTPLocation? {
        guard let text = reader.text(name) else { return nil }
        guard let location = HTTPLocation(parsing: text) else {
            reader.refuse(
                name, value: text,
                accepted: "an http or https URL without a user and without a query")
            return nil
        }
        return location
    }

    private mutating func readTraceFiles(_ reader: SettingReader) {
        let names: [SettingName] = [.traceCACert, .traceClientCert, .traceClientKey]
        // Another program's variables may be the same, and name files that are not here: where they count for nothing,
        // they are no reason not to start.
        guard traces.endpoint?.origin.scheme == .https else {
            for name in names where reader.text(name) != nil {
                let reason =
                    traces.endpoint.map { "\($0.origin) is spoken to without TLS" }
                    ?? "no collector is set"
                warnings.append("\(name.rawValue) counts for nothing: \(reason)")
            }
            return
        }
        traces.caCertificatePath = reader.text(.traceCACert)
        traces.clientCertificatePath = reader.text(.traceClientCert)
        traces.clientKeyPath = reader.text(.traceClientKey)
        let authorities = reader.pemFile(.traceCACert)
        _ = reader.accepted { () throws(ConfigurationError) in try authorities?.certificates() }
        reader.checkPair(.traceClientCert, .traceClientKey, isServer: false)
        reader.requireTogether(.traceClientCert, .traceClientKey)
    }

    private mutating func readTraceHeaders(_ reader: SettingReader) {
        guard let text = reader.text(.traceHeaders) else { return }
        guard let fields = Self.headers(text) else {
            reader.refuse(
                ConfigurationError(
                    secret: SettingName.traceHeaders.rawValue,
                    accepted:
                        "at most 16 comma-separated NAME=VALUE of 8 KiB together, none that HTTP itself needs"
                ))
            return
        }
        traces.headers = fields
        guard let origin = traces.endpoint?.origin, origin.scheme == .http, !origin.isLoopback
        else { return }
        warnings.append(
            "\(SettingName.traceHeaders.rawValue) is sent to \(origin) without TLS: everybody on the way "
                + "can read it")
    }

    private static func headers(_ text: String) -> [HTTPField]? {
        let reserved: Set<String> = [
            "host", "content-type", "content-length", "transfer-encoding", "connection", "expect",
        ]
        guard text.utf8.count <= 8 << 10, let pairs = TracePairs.parse(text), pairs.count <= 16
        else { return nil }
        let fields = pairs.map { HTTPField($0.name.lowercased(), $0.value) }
        guard fields.allSatisfy({ !reserved.contains($0.name) }), HTTPField.areValid(fields)
        else { return nil }
        return fields
    }

    private mutating func readSampler(_ reader: SettingReader) {
        if let text = reader.text(.tracesSamplerArgument) {
            if let part = Double(text), (0...1).contains(part) {
                traces.samplerArgument = part
            } else {
                reader.refuse(
                    .tracesSamplerArgument, value: text, accepted: "a number of 0...1")
            }
        }
        guard let text = reader.text(.tracesSampler) else { return }
        guard
            let sampler = Sampler(
                named: text.lowercased(), ratio: traces.samplerArgument)
        else {
            return reader.refuse(
                .tracesSampler, value: text, accepted: Sampler.names.joined(separator: ", "))
        }
        traces.sampler = sampler
    }

    private mutating func readTraceQueue(_ reader: SettingReader) {
        traces.bounds.spans = reader.integer(
            .traceQueue, default: traces.bounds.spans, 1...65_536, unit: "spans")
        traces.bounds.bytes = traces.bounds.spans * TraceSettings.bytesOfSpan
        traces.bounds.batchSpans = reader.integer(
            .traceBatch, default: min(traces.bounds.batchSpans, traces.bounds.spans), 1...4_096,
            unit: "spans")
        if traces.bounds.batchSpans > traces.bounds.spans,
            reader.areAccepted(.traceQueue, .traceBatch)
        {
            reader.refuse(
                .traceBatch, value: "\(traces.bounds.batchSpans)",
                accepted: "at most \(SettingName.traceQueue.rawValue) (\(traces.bounds.spans))")
        }
    }

    private mutating func readTraceResource(_ reader: SettingReader) {
        if let name = reader.text(.traceService) {
            if name.utf8.count <= SpanRecord.Bounds.nameBytes {
                traces.serviceName = name
            } else {
                reader.refuse(
                    .traceService, value: name,
                    accepted: "at most \(SpanRecord.Bounds.nameBytes) bytes")
            }
        }
        guard let text = reader.text(.traceResource) else { return }
        guard text.utf8.count <= 8 << 10, let pairs = TracePairs.parse(text),
            pairs.count <= SpanRecord.Bounds.attributes,
            Set(pairs.map(\.name)).count == pairs.count
        else {
            return reader.refuse(
                .traceResource, value: text,
                accepted:
                    "at most \(SpanRecord.Bounds.attributes) comma-separated NAME=VALUE of 8 KiB together"
            )
        }
        traces.resourceText = text
        traces.resource = pairs.map { .init($0.name, .text($0.value)) }
        if reader.text(.traceService) == nil,
            let name = pairs.first(where: { $0.name == "service.name" })?.value
        {
            traces.serviceName = name
        }
    }
}

extension TraceSettings {
    /// What a span may take on the average, in bytes: the queue has room for so many times its length.
    static let bytesOfSpan = 2_048
}
