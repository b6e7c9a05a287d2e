import GRPCNIOTransportHTTP2
import Logging
import NIOCertificateReloading
import ServiceLifecycle
import X509

/// The certificate that a port shows: read at the start, and again when its files change.
///
/// A pair that does not belong together, as while one of two files is replaced, is left alone until the next look.
/// The CA that callers' certificates are checked with is read at the start only.
struct PortCertificate: Service {
    /// How often the files are looked at.
    private static let interval = Duration.seconds(5)

    private let reloader: TimedCertificateReloader
    private let files: ServiceConfiguration.TLSFiles

    /// - Parameter setting: the variable that named the files, for the error.
    init(
        _ files: ServiceConfiguration.TLSFiles, setting: SettingName, logger: Logger
    ) throws(ConfigurationError) {
        self.files = files
        let path = files.certificatePath
        var configuration = TimedCertificateReloader.Configuration(
            refreshInterval: Self.interval,
            certificateSource: .init(location: .file(path: path), format: .pem),
            privateKeySource: .init(location: .file(path: files.keyPath), format: .pem))
        configuration.onCertificateLoaded = { change in
            guard let before = change.previousX509CertificateChain,
                before != change.currentX509CertificateChain
            else { return }
            logger.notice("a certificate was read again", metadata: ["path": "\(path)"])
        }
        configuration.onCertificateLoadFailed = { failure in
            logger.warning(
                "a certificate could not be read again; the one before is still shown",
                metadata: ["path": "\(path)", "error": "\(failure.error)"])
        }
        do {
            reloader = try .makeReloaderValidatingSources(configuration: configuration)
        } catch {
            throw ConfigurationError(
                setting.rawValue, value: path,
                accepted: "PEM files of a certificate chain and of its private key (\(error))")
        }
    }

    /// The server's side: TLS 1.2 at least, with client certificates required where a client CA is named.
    func security() throws -> HTTP2ServerTransport.Posix.TransportSecurity {
        guard let clientCA = files.clientCAPath else {
            return try .tls(certificateReloader: reloader)
        }
        return try .mTLS(certificateReloader: reloader) {
            $0.trustRoots = .certificates([.file(path: clientCA, format: .pem)])
            $0.clientCertificateVerification = .noHostnameVerification
            $0.requireALPN = true
        }
    }

    func run() async throws {
        try await reloader.run()
    }
}

extension ServiceConfiguration.TLSFiles {
    /// The side of a replica that forwards: it shows its own certificate, and the peer's must carry the name that all
    /// replicas have. The files are read with every connection.
    var replicaSecurity: HTTP2ClientTransport.Posix.TransportSecurity {
        .mTLS(
            certificateChain: [.file(path: certificatePath, format: .pem)],
            privateKey: .file(path: keyPath, format: .pem)
        ) { tls in
            if let clientCAPath {
                tls.trustRoots = .certificates([.file(path: clientCAPath, format: .pem)])
            }
            tls.serverCertificateVerification = .fullVerification
        }
    }
}
