import GRPCNIOTransportHTTP2

/// TLS of the ports, from the files that the configuration names.
enum PortSecurity {
    /// The server's side: TLS 1.2 at least, with client certificates required where a client CA is named.
    static func server(
        _ files: ServiceConfiguration.TLSFiles?
    ) -> HTTP2ServerTransport.Posix.TransportSecurity {
        guard let files else { return .plaintext }
        let chain = [TLSConfig.CertificateSource.file(path: files.certificatePath, format: .pem)]
        let key = TLSConfig.PrivateKeySource.file(path: files.keyPath, format: .pem)
        guard let clientCA = files.clientCAPath else {
            return .tls(certificateChain: chain, privateKey: key)
        }
        return .mTLS(certificateChain: chain, privateKey: key) {
            $0.trustRoots = .certificates([.file(path: clientCA, format: .pem)])
            $0.clientCertificateVerification = .noHostnameVerification
            $0.requireALPN = true
        }
    }

    /// The side of a replica that forwards: it shows its own certificate, and the peer's must carry the name that all
    /// replicas have.
    static func replica(
        _ files: ServiceConfiguration.TLSFiles?
    ) -> HTTP2ClientTransport.Posix.TransportSecurity {
        guard let files, let peerCA = files.clientCAPath else { return .plaintext }
        return .mTLS(
            certificateChain: [.file(path: files.certificatePath, format: .pem)],
            privateKey: .file(path: files.keyPath, format: .pem)
        ) {
            $0.trustRoots = .certificates([.file(path: peerCA, format: .pem)])
            $0.serverCertificateVerification = .fullVerification
        }
    }
}
