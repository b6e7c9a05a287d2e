/// What of the configuration concerns libcurl, in libcurl's units.
struct CurlSettings: Sendable {
    var caCertificatePath: String?
    var clientCertificatePath: String?
    var clientKeyPath: String?
    var maxConnections: Int
    var maxIdleConnections: Int
    var connectionMaxLifetimeSeconds: Int
    var connectionMaxIdleSeconds: Int
    var connectTimeoutMilliseconds: Int
    var maxResponseBytes: Int
    /// How long a member may leave requests unanswered before its connections are given up.
    var longestSilence: Duration
    /// The protocols that may be spoken, in libcurl's notation.
    var protocols: String

    init(_ configuration: EtcdConfiguration) {
        caCertificatePath = configuration.caCertificatePath
        clientCertificatePath = configuration.clientCertificatePath
        clientKeyPath = configuration.clientKeyPath
        maxConnections = configuration.maxConnections
        maxIdleConnections = configuration.maxIdleConnections
        connectionMaxLifetimeSeconds = Int(configuration.connectionMaxLifetime.components.seconds)
        connectionMaxIdleSeconds = Int(configuration.connectionMaxIdleTime.components.seconds)
        connectTimeoutMilliseconds = configuration.connectTimeout.wholeMilliseconds
        maxResponseBytes = configuration.maxResponseBytes
        longestSilence = configuration.requestTimeout
        let isPlain = configuration.endpoints.contains { $0.scheme == .http }
        protocols = isPlain ? "http,https" : "https"
    }
}

extension Duration {
    /// Rounded up, and never negative.
    var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let unit: Int64 = 1_000_000_000_000_000
        return Int(seconds) * 1000 + Int((attoseconds + unit - 1) / unit)
    }
}
