internal import GRPCCore
package import GRPCNIOTransportHTTP2
package import NIOPosix

/// Makes the HTTP/2 transport that a configuration describes.
package enum LedgerTransport {
    /// - Throws: ``LedgerError`` of kind `configuration` where a PEM file can't be used.
    package static func make(
        address: ServerAddress, security: TransportSecurity,
        eventLoopGroup: MultiThreadedEventLoopGroup = .singleton
    ) throws(LedgerError) -> HTTP2ClientTransport.Posix {
        var config = HTTP2ClientTransport.Posix.Config.defaults
        // The default of one second to two minutes suits browsers, not a service that restarts
        // within seconds: a caller's retries would be over before the next attempt to connect.
        config.backoff = .init(
            initial: .milliseconds(50), max: .seconds(1), multiplier: 1.6, jitter: 0.2)
        config.connection.keepalive = .init(
            time: .seconds(10), timeout: .seconds(5), allowWithoutCalls: false)
        // What is sent as the name (SNI), and then compared with the certificate's.
        if case .tls(_, _, let serverName?) = security { config.http2.authority = serverName }
        let transportSecurity = self.transportSecurity(security)
        do {
            switch address.hostKind {
            // An IP address must not be looked up as a name: it would be sent as the name to
            // verify, which TLS forbids.
            case .ipv4:
                return try HTTP2ClientTransport.Posix(
                    target: .ipv4(address: address.host, port: address.port),
                    transportSecurity: transportSecurity, config: config,
                    eventLoopGroup: eventLoopGroup)
            case .ipv6:
                return try HTTP2ClientTransport.Posix(
                    target: .ipv6(address: address.host, port: address.port),
                    transportSecurity: transportSecurity, config: config,
                    eventLoopGroup: eventLoopGroup)
            case .name:
                return try HTTP2ClientTransport.Posix(
                    target: .dns(host: address.host, port: address.port),
                    transportSecurity: transportSecurity, config: config,
                    eventLoopGroup: eventLoopGroup)
            }
        } catch {
            throw LedgerError(
                .configuration, sealed: nil,
                message: "The TLS files cannot be used: \(explain(error))", cause: error)
        }
    }

    private static func transportSecurity(
        _ security: TransportSecurity
    ) -> HTTP2ClientTransport.Posix.TransportSecurity {
        switch security {
        case .plaintext:
            return .plaintext
        case .tls(let caPath, let clientCertificate, _):
            return .tls { tls in
                if let caPath {
                    tls.trustRoots = .certificates([.file(path: caPath, format: .pem)])
                }
                if let clientCertificate {
                    tls.certificateChain = [
                        .file(path: clientCertificate.certificatePath, format: .pem)
                    ]
                    tls.privateKey = .file(path: clientCertificate.privateKeyPath, format: .pem)
                }
            }
        }
    }

    private static func explain(_ error: any Error) -> String {
        guard let error = error as? RuntimeError else { return "\(error)" }
        return error.cause.map { "\(error.message) (\($0))" } ?? error.message
    }
}
