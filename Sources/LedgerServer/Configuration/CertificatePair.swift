import NIOSSL

/// A certificate chain with the private key of its first certificate, read and found to belong together.
struct CertificatePair: Sendable {
    /// The certificate of the key's owner first, then those above it.
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey

    /// Reads both files.
    ///
    /// - Parameter isServer: whether callers must verify it, which not every one can do with every kind of key.
    /// - Throws: the setting whose file cannot be used; where only the two together cannot, the key's, naming both.
    init(
        certificate: PEMFile, key keyFile: PEMFile, isServer: Bool
    ) throws(ConfigurationError) {
        chain = try certificate.certificates()
        key = try keyFile.privateKey()
        if isServer, chain.first?.isWidelyVerified == false {
            throw certificate.refusal(
                "a certificate with an RSA key, or an ECDSA key on P-256 or P-384: many gRPC libraries, "
                    + "among them those of C++ and Python, offer nothing else in TLS")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        // The TLS library itself compares key and certificate, when it is to use both.
        guard (try? NIOSSLContext(configuration: configuration)) != nil else {
            throw keyFile.refusal(
                "the key of the first certificate in \(certificate.name.rawValue) "
                    + "(\"\(certificate.path)\"), to which it does not belong")
        }
    }
}

extension NIOSSLCertificate {
    /// Whether a TLS library with the defaults of BoringSSL, as in most gRPC libraries, verifies signatures of the
    /// certificate's key.
    fileprivate var isWidelyVerified: Bool {
        guard let key = try? extractPublicKey().toSPKIBytes() else { return false }
        let edwards: [UInt8] = [0x06, 0x03, 0x2B, 0x65, 0x70]
        let p521: [UInt8] = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23]
        return !key.prefix(32).contains(edwards) && !key.prefix(32).contains(p521)
    }
}
