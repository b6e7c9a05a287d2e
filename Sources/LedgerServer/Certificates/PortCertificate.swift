import GRPCNIOTransportHTTP2
import Logging
import NIOCertificateReloading
import NIOCore
import NIOSSL
import Synchronization

/// What a port shows, and whom it admits: read at the start, and again when the files change.
///
/// A connection shakes hands with what counts when it is accepted. Every change makes a new context of the TLS library's,
/// with keys of its own for session tickets: who was admitted by an authority that is gone resumes nothing.
final class PortCertificate: ReloadedSource, CertificateReloader {
    private let pair: ReloadedFiles<CertificatePair>
    /// Who may have signed a caller's certificate; nil where nobody is asked for one.
    private let authorities: ReloadedFiles<[NIOSSLCertificate]>?
    private let logger: Logger
    private let context: Mutex<NIOSSLContext>

    /// - Throws: the setting whose file cannot be used.
    init(_ files: ServiceConfiguration.TLSFiles, logger: Logger) throws {
        self.logger = logger
        let names = files.names
        let pair = try ReloadedFiles(
            [(names.certificate, files.certificatePath), (names.key, files.keyPath)],
            logger: logger
        ) { files throws(ConfigurationError) in
            try CertificatePair(certificate: files[0], key: files[1], isServer: true)
        }
        let authorities: ReloadedFiles<[NIOSSLCertificate]>?
        if let path = files.clientCAPath {
            authorities = try ReloadedFiles([(names.clientCA, path)], logger: logger) {
                files throws(ConfigurationError) in try files[0].certificates()
            }
        } else {
            authorities = nil
        }
        self.pair = pair
        self.authorities = authorities
        context = Mutex(try Self.serverContext(pair.value, authorities?.value))
    }

    // MARK: Files

    func look() {
        let hasNewPair = pair.look()
        let hasNewAuthorities = authorities?.look() ?? false
        guard hasNewPair || hasNewAuthorities else { return }
        do {
            let made = try Self.serverContext(pair.value, authorities?.value)
            context.withLock { $0 = made }
        } catch {
            // Each part was tried by itself before it was taken over.
            logger.error(
                "certificates that were read again cannot be used together; those before are still used",
                metadata: ["reason": "\(error)"])
        }
    }

    var reports: [ReloadReport] { [pair.report] + (authorities.map { [$0.report] } ?? []) }

    // MARK: The port

    /// The server's side: TLS 1.2 at least, with client certificates required where a client CA is named.
    func security() throws -> GRPCPort.Security {
        GRPCPort.Security(
            transport: try transportSecurity(), renew: { try self.renew($0) })
    }

    /// What the gRPC library is told. It makes its context once, and asks for new certificates but never for new
    /// authorities; so no connection shakes hands with that context (`renew`).
    private func transportSecurity() throws -> HTTP2ServerTransport.Posix.TransportSecurity {
        guard let authorities else { return try .tls(certificateReloader: self) }
        let trusted = try authorities.value.map { try $0.toDERBytes() }
        return try .mTLS(certificateReloader: self) {
            $0.trustRoots = .certificates(trusted.map { .bytes($0, format: .der) })
            $0.clientCertificateVerification = .noHostnameVerification
            $0.requireALPN = true
        }
    }

    var sslContextConfigurationOverride: NIOSSLContextConfigurationOverride {
        let pair = pair.value
        var override = NIOSSLContextConfigurationOverride()
        override.certificateChain = pair.chain.map { .certificate($0) }
        override.privateKey = .privateKey(pair.key)
        return override
    }

    /// Puts a TLS handler with what counts now in the place of the library's, before the connection has begun.
    ///
    /// - Throws: where there is no handler of the library's; the connection must not be served then.
    private func renew(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let former = try pipeline.handler(type: NIOSSLServerHandler.self)
        let context = context.withLock { $0 }
        try pipeline.addHandler(
            NIOSSLServerHandler(context: context), position: .before(former))
        pipeline.removeHandler(former, promise: nil)
    }

    /// As the gRPC library makes it, but for the two parts that change.
    private static func serverContext(
        _ pair: CertificatePair, _ authorities: [NIOSSLCertificate]?
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: pair.chain.map { .certificate($0) },
            privateKey: .privateKey(pair.key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["grpc-exp", "h2"]
        if let authorities {
            configuration.certificateVerification = .noHostnameVerification
            configuration.trustRoots = .certificates(authorities)
        }
        return try NIOSSLContext(configuration: configuration)
    }

    // MARK: Towards other replicas

    /// The side of a replica that forwards: it shows its own certificate, and the peer's must carry the name that all
    /// replicas have.
    ///
    /// For one connection: the next one shows and believes what counts by then.
    func replicaContext() throws -> NIOSSLContext {
        let pair = pair.value
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateChain = pair.chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(pair.key)
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = .fullVerification
        configuration.trustRoots = .certificates(authorities?.value ?? [])
        configuration.applicationProtocols = ["h2"]
        return try NIOSSLContext(configuration: configuration)
    }
}
