import EtcdGateway
import HTTPTransport
import Logging

/// The files of what libcurl shows and believes, towards etcd, witnesses or a collector of traces.
final class TransportFiles: ReloadedSource {
    /// What transports are made with.
    let credentials: TransportCredentials
    private let authorities: ReloadedFiles<[UInt8]>?
    private let pair: ReloadedFiles<(certificate: [UInt8], key: [UInt8])>?

    /// - Parameters:
    ///   - authorities: nil believes the system's.
    ///   - certificate: shown together with `key`; nil shows nothing.
    /// - Throws: the setting whose file cannot be used.
    init(
        authorities: ReloadedFiles<[UInt8]>.File?, certificate: ReloadedFiles<[UInt8]>.File? = nil,
        key: ReloadedFiles<[UInt8]>.File? = nil, logger: Logger
    ) throws(ConfigurationError) {
        var trusted: ReloadedFiles<[UInt8]>?
        if let authorities {
            trusted = try ReloadedFiles([authorities], logger: logger) {
                files throws(ConfigurationError) in
                _ = try files[0].certificates()
                return files[0].content
            }
        }
        var shown: ReloadedFiles<(certificate: [UInt8], key: [UInt8])>?
        if let certificate, let key {
            shown = try ReloadedFiles([certificate, key], logger: logger) {
                files throws(ConfigurationError) in
                _ = try CertificatePair(certificate: files[0], key: files[1], isServer: false)
                return (files[0].content, files[1].content)
            }
        }
        self.authorities = trusted
        pair = shown
        credentials = TransportCredentials(Self.texts(trusted, shown))
    }

    func look() {
        let hasNewAuthorities = authorities?.look() ?? false
        let hasNewPair = pair?.look() ?? false
        guard hasNewAuthorities || hasNewPair else { return }
        credentials.replace(with: Self.texts(authorities, pair))
    }

    var reports: [ReloadReport] { [authorities?.report, pair?.report].compactMap { $0 } }

    private static func texts(
        _ authorities: ReloadedFiles<[UInt8]>?,
        _ pair: ReloadedFiles<(certificate: [UInt8], key: [UInt8])>?
    ) -> TransportCredentials.Texts {
        let pair = pair?.value
        return TransportCredentials.Texts(
            authorities: authorities?.value, certificate: pair?.certificate, key: pair?.key)
    }
}

extension PEMReloader {
    /// What an HTTP client believes, read again as long as the service runs; nil for what the system believes.
    func credentials(
        authorities path: String?, of setting: SettingName, logger: Logger
    ) throws(ConfigurationError) -> TransportCredentials? {
        guard let path else { return nil }
        let files = try TransportFiles(authorities: (setting, path), logger: logger)
        add(files)
        return files.credentials
    }
}

extension ServiceConfiguration {
    /// What the exporter of traces shows and believes, read again as long as the service runs; nil where nothing is
    /// exported by TLS, or nothing is set.
    func traceCredentials(
        with reloader: PEMReloader, logger: Logger
    ) throws(ConfigurationError) -> TransportCredentials? {
        guard traces.endpoint?.origin.scheme == .https,
            traces.caCertificatePath != nil || traces.clientCertificatePath != nil
        else { return nil }
        let files = try TransportFiles(
            authorities: traces.caCertificatePath.map { (.traceCACert, $0) },
            certificate: traces.clientCertificatePath.map { (.traceClientCert, $0) },
            key: traces.clientKeyPath.map { (.traceClientKey, $0) }, logger: logger)
        reloader.add(files)
        return files.credentials
    }

    /// The same with files towards etcd that are read again as long as the service runs.
    func reloading(
        with reloader: PEMReloader, logger: Logger
    ) throws(ConfigurationError) -> ServiceConfiguration {
        guard let authorities = etcd.caCertificatePath else { return self }
        let files = try TransportFiles(
            authorities: (.etcdCACert, authorities),
            certificate: etcd.clientCertificatePath.map { (.etcdClientCert, $0) },
            key: etcd.clientKeyPath.map { (.etcdClientKey, $0) }, logger: logger)
        reloader.add(files)
        var configuration = self
        configuration.etcd.credentials = files.credentials
        return configuration
    }
}
