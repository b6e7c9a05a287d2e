import GRPCNIOTransportHTTP2
import Logging
import NIOCertificateReloading
import NIOSSL
import ServiceLifecycle
import Synchronization

/// The certificate that a port shows: read at the start, and again when its files change.
///
/// A pair that does not belong together, as while one of two files is replaced, is left alone until the next look.
/// The CA that callers' certificates are checked with is read at the start only.
final class PortCertificate: Service, CertificateReloader {
    /// How often the files are looked at.
    private static let interval = Duration.seconds(5)

    private struct State {
        var pair: CertificatePair
        /// What the last look found wrong, which is told once.
        var problem: String?
    }

    private let files: ServiceConfiguration.TLSFiles
    private let authorities: [NIOSSLCertificate]
    private let logger: Logger
    private let state: Mutex<State>

    /// - Throws: the setting whose file cannot be used.
    init(_ files: ServiceConfiguration.TLSFiles, logger: Logger) throws(ConfigurationError) {
        self.files = files
        self.logger = logger
        authorities = try files.authorities()
        state = Mutex(State(pair: try files.pair()))
    }

    /// What the next handshake shows.
    var sslContextConfigurationOverride: NIOSSLContextConfigurationOverride {
        let pair = state.withLock(\.pair)
        var override = NIOSSLContextConfigurationOverride()
        override.certificateChain = pair.chain.map { .certificate($0) }
        override.privateKey = .privateKey(pair.key)
        return override
    }

    /// The server's side: TLS 1.2 at least, with client certificates required where a client CA is named.
    func security() throws -> HTTP2ServerTransport.Posix.TransportSecurity {
        guard files.clientCAPath != nil else { return try .tls(certificateReloader: self) }
        let trusted = try trustRoots()
        return try .mTLS(certificateReloader: self) {
            $0.trustRoots = trusted
            $0.clientCertificateVerification = .noHostnameVerification
            $0.requireALPN = true
        }
    }

    /// The side of a replica that forwards: it shows its own certificate, and the peer's must carry the name that all
    /// replicas have.
    ///
    /// For one connection: the next one shows what the files hold by then.
    func replicaContext() throws -> NIOSSLContext {
        let pair = state.withLock(\.pair)
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateChain = pair.chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(pair.key)
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = .fullVerification
        configuration.trustRoots = .certificates(authorities)
        configuration.applicationProtocols = ["h2"]
        return try NIOSSLContext(configuration: configuration)
    }

    func run() async {
        // Ends by being cancelled, which is no failure.
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: Self.interval)
                self.look()
            }
        }
    }

    /// Takes over what the files hold now, where it can be used.
    func look() {
        let path = Logger.MetadataValue.string(files.certificatePath)
        do throws(ConfigurationError) {
            let pair = try files.pair()
            let isNew = state.withLock { state in
                state.problem = nil
                // The key too: it may be another one of the same certificate's, in another notation.
                defer { state.pair = pair }
                return pair.chain != state.pair.chain
            }
            guard isNew else { return }
            logger.notice("a certificate was read again", metadata: ["path": path])
        } catch {
            let isNew = state.withLock { state in
                defer { state.problem = error.message }
                return state.problem != error.message
            }
            guard isNew else { return }
            logger.warning(
                "a certificate could not be read again; the one before is still shown",
                metadata: ["path": path, "error": "\(error.message)"])
        }
    }

    private func trustRoots() throws -> TLSConfig.TrustRootsSource {
        .certificates(
            try authorities.map { .bytes(try $0.toDERBytes(), format: .der) })
    }
}

extension ServiceConfiguration.TLSFiles {
    /// The certificate chain and its key.
    func pair() throws(ConfigurationError) -> CertificatePair {
        try CertificatePair(
            certificate: PEMFile(certificatePath, of: names.certificate),
            key: PEMFile(keyPath, of: names.key), isServer: true)
    }

    /// Who may have signed a caller's certificate; empty where nobody is asked for one.
    func authorities() throws(ConfigurationError) -> [NIOSSLCertificate] {
        guard let clientCAPath else { return [] }
        return try PEMFile(clientCAPath, of: names.clientCA).certificates()
    }
}
