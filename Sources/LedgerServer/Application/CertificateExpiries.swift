import EtcdGateway
import Foundation
import NIOSSL

/// Until when the certificates are valid that settings name, as their files say now.
///
/// A file that was renewed counts from the moment when it is read, which whoever uses it does within seconds.
package struct CertificateExpiries: Sendable {
    private let paths: [(setting: SettingName, path: String)]

    /// All certificate files of a configuration, those of authorities included.
    package init(_ configuration: ServiceConfiguration) {
        let all: [(SettingName, String?)] = [
            (.etcdCACert, configuration.etcd.caCertificatePath),
            (.etcdClientCert, configuration.etcd.clientCertificatePath),
            (.tlsCert, configuration.tls?.certificatePath),
            (.tlsClientCA, configuration.tls?.clientCAPath),
            (.internalTLSCert, configuration.internalTLS?.certificatePath),
            (.internalTLSCA, configuration.internalTLS?.clientCAPath),
            (.witnessCACert, configuration.witnessCAPath),
            (.archiveCACert, configuration.archive?.caCertificatePath),
            (.traceCACert, configuration.traces.caCertificatePath),
            (.traceClientCert, configuration.traces.clientCertificatePath),
        ]
        paths = all.compactMap { setting, path in path.map { (setting, $0) } }
    }

    /// The settings that name a file.
    package var settings: [SettingName] { paths.map(\.setting) }

    /// When the first certificate of the file expires that does, in epoch seconds; nil where the file cannot be read.
    package func expiry(of setting: SettingName) -> Double? {
        guard let path = paths.first(where: { $0.setting == setting })?.path,
            let certificates = try? PEMFile(path, of: setting).certificates()
        else { return nil }
        return certificates.map { Double($0.notValidAfter) }.min()
    }
}
