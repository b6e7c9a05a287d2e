package import HTTPTransport
package import OTLPExport

/// Where spans of traces are exported to, and which: the settings of OpenTelemetry's names.
package struct TraceSettings: Sendable {
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, as it is.
    package var ownEndpoint: HTTPLocation?
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: a path for traces is added.
    package var commonEndpoint: HTTPLocation?
    /// `OTEL_EXPORTER_OTLP_HEADERS`: at most 16 with 8 KiB. A secret.
    package var headers: [HTTPField] = []
    /// `OTEL_EXPORTER_OTLP_CERTIFICATE`: PEM file of the only authorities for the collector; nil for the system's.
    package var caCertificatePath: String?
    /// `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`: PEM file of the certificate that it is shown; nil shows none.
    package var clientCertificatePath: String?
    /// `OTEL_EXPORTER_OTLP_CLIENT_KEY`: PEM file of the key that belongs to it.
    package var clientKeyPath: String?
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`, 1...60000 ms.
    package var timeout = Duration.seconds(10)
    /// `OTEL_TRACES_SAMPLER`.
    package var sampler = Sampler.standard
    /// `OTEL_TRACES_SAMPLER_ARG`, 0...1.
    package var samplerArgument = 1.0
    /// `OTEL_BSP_SCHEDULE_DELAY`, 100...60000 ms.
    package var delay = Duration.seconds(5)
    /// `OTEL_BSP_MAX_QUEUE_SIZE`, 1...65536 spans, and `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, 1...4096, never above it.
    package var bounds = SpanQueue.Bounds()
    /// `OTEL_SERVICE_NAME`, at most 128 bytes.
    package var serviceName = "immutable-ledger"
    /// `OTEL_RESOURCE_ATTRIBUTES`, at most 32.
    package var resource: [SpanRecord.Attribute] = []
    /// The same, as it is set.
    package var resourceText: String?

    package init() {}

    /// Where spans are posted to; nil where nothing is exported.
    package var endpoint: HTTPLocation? {
        if let ownEndpoint { return ownEndpoint }
        guard let commonEndpoint else { return nil }
        let slash = commonEndpoint.path.hasSuffix("/") ? "" : "/"
        return HTTPLocation(
            origin: commonEndpoint.origin, path: "\(commonEndpoint.path)\(slash)v1/traces")
    }

    /// What the exporter needs; nil where nothing is exported.
    ///
    /// - Parameters:
    ///   - version: of this program.
    ///   - instance: tells this process from others.
    ///   - credentials: what the files hold that are named above, see `PEMReloader`.
    package func settings(
        version: String, instance: String, credentials: TransportCredentials? = nil
    ) -> OTLPSettings? {
        guard let endpoint else { return nil }
        var settings = OTLPSettings(endpoint: endpoint)
        settings.headers = headers
        settings.credentials = credentials
        settings.timeout = timeout
        settings.delay = delay
        settings.bounds = bounds
        settings.sampler = sampler
        settings.scope = ("immutable-ledger", version)
        let own: [SpanRecord.Attribute] = [
            .init("service.name", .text(serviceName)), .init("service.version", .text(version)),
            .init("service.instance.id", .text(instance)),
            .init("telemetry.sdk.language", .text("swift")),
            .init("telemetry.sdk.name", .text("immutable-ledger")),
        ]
        let given = Set(resource.map(\.key))
        // The name has a variable of its own, which counts more.
        settings.resource =
            own.filter { $0.key == "service.name" || !given.contains($0.key) }
            + resource.filter { $0.key != "service.name" }
        return settings
    }
}

/// `name=value` pairs between commas, values percent-encoded where that is needed: the form of OpenTelemetry's lists.
enum TracePairs {
    /// - Returns: the pairs; nil where a part is none.
    static func parse(_ text: String) -> [(name: String, value: String)]? {
        var pairs: [(String, String)] = []
        for part in text.split(separator: ",") {
            let part = trimmed(part)
            if part.isEmpty { continue }
            guard let equals = part.firstIndex(of: "=") else { return nil }
            let name = trimmed(part[..<equals])
            guard !name.isEmpty,
                let value = decoded(trimmed(part[part.index(after: equals)...]))
            else { return nil }
            pairs.append((String(name), value))
        }
        return pairs
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var rest = text
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let code = UInt8(Substring(rest.prefix(2)), radix: 16) else {
                return nil
            }
            bytes.append(code)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
