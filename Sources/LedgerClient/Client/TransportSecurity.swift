/// How the connection to the service is protected.
public enum TransportSecurity: Sendable, Hashable {
    /// No encryption and no authentication: for loopback and for networks that encrypt by themselves.
    case plaintext

    /// TLS: the service's certificate must be valid for the host of its address, or for `serverName`.
    ///
    /// - `caCertificatePath`: PEM file of the authorities to trust; nil trusts the system's.
    /// - `clientCertificate`: who this caller is, where the service asks for certificates.
    /// - `serverName`: the DNS name that is expected in a certificate without the address, as behind a forwarded port;
    ///   nil expects the address. A certificate that has the IP address itself is valid whatever the name.
    case tls(
        caCertificatePath: String?, clientCertificate: ClientCertificate?, serverName: String? = nil
    )
}

/// A caller's certificate chain and private key, as PEM files.
public struct ClientCertificate: Sendable, Hashable {
    /// PEM file with the certificate, followed by intermediate ones if there are any.
    public var certificatePath: String

    /// PEM file with the private key of the first certificate.
    public var privateKeyPath: String

    /// Creates a description of a certificate and its key.
    public init(certificatePath: String, privateKeyPath: String) {
        self.certificatePath = certificatePath
        self.privateKeyPath = privateKeyPath
    }
}
